"""What was downloaded, unpacked and read without trusting it: no path escapes, no pickle runs code."""

from __future__ import annotations

import io
import pickle
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from trainables.datasets.files import Progress, RemoteFile, fetch, locked, silent
from trainables.errors import DataError


def obtain(
    dataset: str,
    file: RemoteFile,
    folder: Path,
    check: Callable[[Path], None],
    progress: Progress = silent,
) -> Path:
    """The folder of a data set that is published as one archive: there already, or fetched and unpacked.

    Args:
        dataset: Its name, for messages.
        file: The archive; its content lies in one folder of the name of `folder`.
        folder: Where the data set is, or is to be.
        check: Raises DataError if a folder is not the whole data set.

    Raises:
        DataError: An archive that cannot be had, or a folder or archive that is not what it should be.
    """
    # A folder that is there is whole, and may be on a file system that nobody can write to.
    if not folder.exists():
        with locked(folder.with_name(f".{dataset}.lock"), f"preparing {dataset}"):
            # Another process may have finished it meanwhile.
            if not folder.exists():
                install(fetch(file, folder.parent, progress), folder, check, progress)
    else:
        check(folder)
    return folder


def install(archive: Path, folder: Path, check: Callable[[Path], None], progress: Progress = silent) -> None:
    """Unpacks beside `folder`, checks, and only then gives it its name: a half-unpacked `folder` never is.

    Raises:
        DataError: An archive that is damaged, unsafe, or does not hold what it should.
    """
    staging = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        unpack(archive, staging, progress)
        inside = staging / folder.name
        if not inside.is_dir():
            raise DataError(f"{archive} holds no folder {folder.name}.")
        try:
            check(inside)
        except DataError as error:
            raise DataError(f"{archive} does not hold the whole data set: {error}") from error
        inside.rename(folder)
    except OSError as error:
        raise DataError(f"cannot unpack {archive} to {folder}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def unpack(archive: Path, into: Path, progress: Progress = silent) -> None:
    """Unpacks a .zip or a .tar, compressed or not, into the new folder `into`.

    Raises:
        DataError: A damaged archive, or one with a path that leads out of `into`.
    """
    into.mkdir(parents=True)
    task = f"{archive.name}: unpacking"
    try:
        if archive.suffix == ".zip":
            _unpack_zip(archive, into, lambda done, total: progress(task, done, total))
        else:
            _unpack_tar(archive, into, lambda done, total: progress(task, done, total))
    except tarfile.FilterError as error:
        raise DataError(f"{archive} is not safe to unpack: {error}.") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive} is damaged: {error}. Delete it and run the command again.") from error


def _unpack_tar(archive: Path, into: Path, told: Callable[[int, int], None]) -> None:
    total = archive.stat().st_size
    with archive.open("rb") as raw, tarfile.open(fileobj=raw) as tar:
        for member in tar:
            # The filter refuses absolute and climbing paths, links that lead out, and devices.
            tar.extract(member, into, filter="data")
            told(raw.tell(), total)


def _unpack_zip(archive: Path, into: Path, told: Callable[[int, int], None]) -> None:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        for member in members:
            path = PurePosixPath(member.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                raise DataError(f"{archive} is not safe to unpack: {member.filename!r} leads out of it.")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{archive} is not safe to unpack: {member.filename!r} is a link.")
        for number, member in enumerate(members, 1):
            zipped.extract(member, into)  # checks the CRC of each member
            told(number, len(members))


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
