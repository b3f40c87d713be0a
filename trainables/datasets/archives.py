"""What was downloaded, unpacked and read without trusting it: nothing leads out, no pickle runs code."""

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
        limits: What it holds at most.
        check: Raises DataError if a folder is not the whole data set.
        check_archive: Raises DataError if an archive without a known digest does not hold the data set.
    """

    dataset: str
    file: RemoteFile
    folder: str
    limits: Limits
    check: Callable[[Path], None]
    check_archive: Callable[[Path], None] | None = None

    def __post_init__(self) -> None:
        if not (self.file.sha256 or self.check_archive):
            raise ValueError(f"nothing tells whether {self.file.name} is what was published")


def obtain(archive: Archive, root: Path, progress: Progress = silent) -> Path:
    """The folder of a data set in `root`: there already, or fetched, verified and only then unpacked.

    Raises:
        DataError: An archive that cannot be had, or a folder or archive that is not what it should be.
    """
    folder = root / archive.folder
    # A folder that is there is whole, and may be on a file system that nobody can write to.
    if not folder.exists():
        with locked(root / f".{archive.dataset}.lock", f"preparing {archive.dataset}"):
            # Another process may have finished it meanwhile.
            if not folder.exists():
                install(archive, fetch(archive.file, root, progress), folder, progress)
    else:
        archive.check(folder)
    return folder


def install(archive: Archive, path: Path, folder: Path, progress: Progress = silent) -> None:
    """Unpacks beside `folder`, checks, and only then gives it its name: a half-unpacked `folder` never is.

    Args:
        path: Where the archive is.

    Raises:
        DataError: An archive that is damaged, unsafe, or does not hold what it should.
    """
    if archive.check_archive:
        archive.check_archive(path)
    staging = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        unpack(path, staging, archive.limits, progress)
        inside = staging / archive.folder
        if not inside.is_dir():
            raise DataError(f"{path} holds no folder {archive.folder}.")
        try:
            archive.check(inside)
        except DataError as error:
            raise DataError(f"{path} does not hold the whole data set: {error}") from error
        inside.rename(folder)
    except OSError as error:
        raise DataError(f"cannot unpack {path} to {folder}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds NumPy arrays and Python's own containers, numbers and strings; refuses everything else."""

    ALLOWED: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): np.ndarray((0,)).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.ndarray((0,)).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.ALLOWED[module, name]


def load_pickle(content: bytes, path: Path) -> Any:
    """The arrays, containers, numbers and strings that a pickle holds; Python 2's strings become text.

    Raises:
        DataError: A pickle that is damaged or asks for anything else. `path` is where it came from.
    """
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        # A damaged pickle can raise anything at all: whatever it is, the file is at fault.
        raise DataError(f"{path} is no pickle of arrays alone ({error}): not read.") from error
