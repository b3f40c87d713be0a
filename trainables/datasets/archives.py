"""Unpacks and reads untrusted downloads: no path escapes the folder, and no pickle runs code."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trainables.datasets.files import Progress, RemoteFile, fetch, locked, silent
from trainables.datasets.unpacking import Limits, unpack
from trainables.errors import DataError


@dataclass(frozen=True)
class Archive:
    """A data set that is published as one archive.

    Attributes:
        dataset: Its name, for messages.
        file: The archive.
        folder: The folder in it that is the data set.
        limits: Largest permitted content.
        check: Raises DataError if a folder is not the complete data set.
        check_archive: Raises DataError if an archive without a known digest is not the data set.
    """

    dataset: str
    file: RemoteFile
    folder: str
    limits: Limits
    check: Callable[[Path], None]
    check_archive: Callable[[Path], None] | None = None

    def __post_init__(self) -> None:
        if not (self.file.sha256 or self.check_archive):
            raise ValueError(f"{self.file.name} needs a digest or a check")


def obtain(archive: Archive, root: Path, progress: Progress = silent) -> Path:
    """Returns the folder of a data set in `root`. If it is missing, fetches, verifies and unpacks it.

    Raises:
        DataError: The archive cannot be downloaded, or archive or folder differ from the published one.
    """
    folder = root / archive.folder
    # An existing folder is complete. It may be on a read-only file system.
    if not folder.exists():
        with locked(root / f".{archive.dataset}.lock", f"preparing {archive.dataset}"):
            # Another process may have finished it in the meantime.
            if not folder.exists():
                install(archive, fetch(archive.file, root, progress), folder, progress)
    else:
        archive.check(folder)
    return folder


def install(archive: Archive, path: Path, folder: Path, progress: Progress = silent) -> None:
    """Unpacks beside `folder`, checks the result, then renames it, so `folder` is never incomplete.

    Args:
        archive: The data set.
        path: Path of the archive.
        folder: Target.
        progress: Gets each step.

    Raises:
        DataError: The archive is damaged, unsafe, or has other content.
    """
    if archive.check_archive:
        archive.check_archive(path)
    staging = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        unpack(path, staging, archive.limits, progress)
        inside = staging / archive.folder
        if not inside.is_dir():
            raise DataError(f"{path} has no folder {archive.folder}.")
        try:
            archive.check(inside)
        except DataError as error:
            raise DataError(f"{path} is not the complete data set: {error}") from error
        inside.rename(folder)
    except OSError as error:
        raise DataError(f"cannot unpack {path} to {folder}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _ArraysOnly(pickle.Unpickler):
    """Loads only NumPy arrays and Python's containers, numbers and strings."""

    ALLOWED: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): np.ndarray((0,)).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.ndarray((0,)).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it imports {module}.{name}")
        return self.ALLOWED[module, name]


def load_pickle(content: bytes, path: Path) -> Any:
    """Loads arrays, containers, numbers and strings from a pickle; Python 2's strings become text.

    Args:
        content: The pickle.
        path: Its origin, for messages.

    Raises:
        DataError: The pickle is damaged or contains anything else.
    """
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        # A damaged pickle can raise any exception. The file is at fault.
        raise DataError(f"{path} was not loaded: a pickle of plain arrays is expected ({error}).") from error
