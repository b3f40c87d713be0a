"""Files of a store in a folder of this machine, or in one that it shares with others."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from results.store.errors import StoreError, store_error
from results.store.exclusive import place_new
from results.store.file_info import TEMPORARY, FileInfo

TRIES = 20

Done = TypeVar("Done")


class LocalFiles:
    """The files below a folder, by relative path. All methods raise OSError.

    Raises:
        StoreError: What is no folder's name, or that of a file.
    """

    readers = 4
    """More do not make one disk faster."""

    def __init__(self, path: str):
        try:
            self.root = Path(path).expanduser().absolute()
            if not stat.S_ISDIR(self.root.stat().st_mode):
                raise StoreError(f"the store {path} is a file, not a folder: choose another --store.")
        except FileNotFoundError:
            pass  # It is made with its first file.
        except OSError as error:
            raise store_error("use the store", path, error) from error
        except (RuntimeError, ValueError) as error:
            # No such user's home, or a name that no file can have.
            raise StoreError(f"cannot use the store {path!r}: {error}; choose another --store.") from error

    def place_exists(self) -> bool:
        return self.root.is_dir()

    def is_empty(self) -> bool:
        with os.scandir(self.root) as entries:
            return next(entries, None) is None

    def read(self, path: str) -> bytes:
        try:
            # Without waiting for who would write into a FIFO.
            with open(
                self.root / path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)
            ) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise FileNotFoundError(path)
                return file.read()
        except IsADirectoryError as error:
            # There is no file of that name, as an object store would say.
            raise FileNotFoundError(path) from error

    def write(self, path: str, content: bytes, exclusive: bool) -> bool:
        target = self.root / path
        if exclusive and target.exists():
            return False
        temporary = self.root / TEMPORARY / uuid.uuid4().hex
        stream = _retried(lambda: _opened(temporary))
        try:
            with stream:
                stream.write(content)
                stream.flush()
                # A rename that survives a power cut must not outlive the content it names.
                os.fsync(stream.fileno())
            _retried(lambda: _place(temporary, target, exclusive))
        except FileExistsError:
            if exclusive and target.parent.is_dir():
                return False
            raise  # A file lies where a folder is to be.
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def exists(self, path: str) -> bool:
        try:
            return stat.S_ISREG((self.root / path).stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def list(self, folder: str) -> Iterable[FileInfo]:
        above = [self.root]
        for name in filter(None, folder.split("/")):
            above.append(above[-1] / name)
        try:
            return list(self._below(folder, tuple(_itself(each.stat()) for each in above)))
        except FileNotFoundError:
            return []

    def _below(self, folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[FileInfo]:
        """The files below a folder.

        Args:
            above: The folder and those that it lies in. A link to one of them leads nowhere new.
        """
        try:
            with os.scandir(self.root / folder) as entries:
                found = list(entries)
        except FileNotFoundError:
            return  # Perhaps since it was listed: another process has deleted it, since it was empty.
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                status = entry.stat()
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP):
                    continue  # gone since it was listed, or a link that leads nowhere
                raise
            if stat.S_ISDIR(status.st_mode):
                itself = _itself(status)
                if not (entry.is_symlink() and itself in above):
                    yield from self._below(path, (*above, itself))
            elif stat.S_ISREG(status.st_mode):
                yield FileInfo(path, status.st_size, status.st_mtime_ns)

    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)
        self.delete_empty(path.rpartition("/")[0])

    def delete_empty(self, folder: str) -> None:
        """Deletes a folder if it is empty, and those above it that are empty then."""
        with contextlib.suppress(OSError):
            while folder:
                (self.root / folder).rmdir()
                folder = folder.rpartition("/")[0]

    def move(self, source: str, target: str) -> None:
        _retried(lambda: _place(self.root / source, self.root / target, exclusive=False))
        self.delete_empty(source.rpartition("/")[0])


def _itself(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _retried(work: Callable[[], Done]) -> Done:
    """Does what makes its own folder. Another process may delete that in between, since it was empty."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            return work()
    return work()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # It was there when it was to be made, and gone when it was looked at.
        if not os.path.lexists(error.filename) or Path(error.filename).is_dir():
            raise FileNotFoundError(errno.ENOENT, "deleted by another", error.filename) from error
        raise


def _opened(temporary: Path) -> BinaryIO:
    _make(temporary.parent)
    return temporary.open("xb")


def _place(temporary: Path, target: Path, exclusive: bool) -> None:
    _make(target.parent)
    if exclusive:
        place_new(temporary, target)
    else:
        temporary.replace(target)
