"""Arrays of .npz and .npy files. Headers give the shapes before any data is unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from results.scoring.logits_input.arrays import AnyArray, Array
from trainables.errors import DataError, InputError

HEADER = 2**16
"""Largest header of an array, in bytes. NumPy refuses more than 10,000."""

DAMAGES = (
    OSError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
    MemoryError,
)
"""Exceptions from reading a damaged or encrypted file."""


def npy_file(path: Path) -> list[Array]:
    """The array of an .npy file, named like the file."""
    with path.open("rb") as file:
        shape, dtype, start = _header(file, path)
    array = Array(path, path.stem, shape, dtype, lambda: _loaded(path, None))
    _check(array, path.stat().st_size - start)
    return [array]


def npz_file(path: Path) -> list[Array]:
    """The arrays of an .npz file."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                with file.open(member.filename) as data:
                    shape, dtype, start = _header(data, f"{name!r} of {path}")
                array = Array(path, name, shape, dtype, lambda name=name: _loaded(path, name))  # type: ignore[misc]
                _check(array, file.getinfo(member.filename).file_size - start)
                arrays[name] = array
    except DAMAGES as error:
        raise _damaged(path, error) from error
    if not arrays:
        raise InputError(f"{path} is a zip file without arrays: save them with numpy.savez.")
    return list(arrays.values())


def _header(file: IO[bytes], source: object) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and length of the header at the start of a file."""
    start = io.BytesIO(file.read(HEADER))
    try:
        version = npy.read_magic(start)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, _, dtype = read(start)
    except KeyError as error:
        raise InputError(
            f"{source} is a structured array: save its logits and labels as separate arrays."
        ) from error
    except (ValueError, EOFError, SyntaxError, RecursionError, MemoryError) as error:
        raise _damaged(source, error) from error
    if any(length < 0 for length in shape):
        raise DataError(f"{source} is damaged: its header has the shape {list(shape)}.")
    return shape, dtype, start.tell()


def _check(array: Array, available: int) -> None:
    """Raises DataError if a header disagrees with the number of bytes after it."""
    claimed = array.size * array.dtype.itemsize
    # Python objects are pickled, with any length.
    if not array.dtype.hasobject and claimed != available:
        raise DataError(
            f"{array} is damaged or incomplete: its header claims {claimed:,} bytes for the shape "
            f"{list(array.shape)}, but the file has {available:,}."
        )


def _loaded(path: Path, name: str | None) -> AnyArray:
    try:
        if name is None:
            loaded: AnyArray = np.load(path, allow_pickle=False)
            return loaded
        with np.load(path, allow_pickle=False) as file:
            member: AnyArray = file[name]
            return member
    except (*DAMAGES, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(source: object, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{source} is damaged, encrypted or incomplete: {reason}")
