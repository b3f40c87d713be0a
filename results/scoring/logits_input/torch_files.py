"""Tensors of .pt and .pth files, read without executing code from them (`weights_only`)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.scoring.logits_input.arrays import AnyArray, Array
from trainables.errors import DataError, InputError

if TYPE_CHECKING:
    from torch import Tensor

SAVE = "torch.save({'logits': logits, 'labels': labels}, 'FILE.pt')"


def torch_file(path: Path) -> list[Array]:
    """The tensors of a file, each named by its keys: {'val': {'logits': ...}} has val_logits."""
    # The import takes two seconds, which other formats should not wait for.
    import torch

    zipped = zipfile.is_zipfile(path)
    try:
        if zipped:
            _check_unpacked(path)
        # Memory mapping reads data on demand; until then only shapes are needed.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True if zipped else None)
    except (DataError, InputError):
        raise
    except Exception as error:
        # torch may raise any exception. The file is at fault.
        other = re.search(r"GLOBAL ([\w.]+)", str(error))
        if other:
            raise InputError(
                f"{path} contains more than tensors ({other[1]}), and loading it can run code: "
                f"if you trust it, load it and save only its tensors with {SAVE}."
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as tensors; save them with {SAVE}: {reason}") from error
    arrays = [_array(path, name or path.stem, tensor) for name, tensor in _tensors(content)]
    if not arrays:
        raise InputError(f"{path} has no tensors: save logits and labels with {SAVE}.")
    return arrays


def _check_unpacked(path: Path) -> None:
    """torch stores data uncompressed, so no member may be larger than the file."""
    with zipfile.ZipFile(path) as file:
        unpacked = sum(member.file_size for member in file.infolist())
    if unpacked > path.stat().st_size:
        raise DataError(f"{path} is compressed, unlike files of torch.save: save the tensors with {SAVE}.")


def _tensors(content: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    import torch

    if isinstance(content, torch.Tensor):
        yield name, content
        return
    inner: Mapping[Any, object] = {}
    if isinstance(content, Mapping):
        inner = content
    elif isinstance(content, list | tuple):
        inner = dict(enumerate(content))
    for key, value in inner.items():
        yield from _tensors(value, f"{name}_{key}" if name else str(key))


def _array(path: Path, name: str, tensor: Tensor) -> Array:
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise InputError(
            f"{name!r} of {path} is a sparse or quantised tensor: save it as a dense one of floats."
        )
    tensor = tensor.detach()
    return Array(path, name, tuple(tensor.shape), _numpy(tensor.new_empty(0)).dtype, lambda: _numpy(tensor))


def _numpy(tensor: Tensor) -> AnyArray:
    try:
        values: AnyArray = tensor.numpy()
    except TypeError:
        # NumPy has neither bfloat16 nor float8; float32 represents them exactly.
        values = tensor.float().numpy()
    return values
