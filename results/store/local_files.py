"""Files of a store in a folder, local or shared."""

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
    """The files in a folder, by relative path. All methods raise OSError.

    Raises:
        StoreError: `path` is not a valid name, or names a file.
    """

    readers = 4
    """More threads do not make one disk faster."""

    def __init__(self, path: str):
        try:
            self.root = Path(path).expanduser().absolute()
            if not stat.S_ISDIR(self.root.stat().st_mode):
                raise StoreError(f"the store {path} is a file, not a folder: choose another --store.")
        except FileNotFoundError:
            pass  # Created with the first file.
        except OSError as error:
            raise store_error("use the store", path, error) from error
        except (RuntimeError, ValueError) as error:
            # An unknown user in ~user, or an invalid file name.
            raise StoreError(f"cannot use the store {path!r}: {error}; choose another --store.") from error

    def place_exists(self) -> bool:
        return self.root.is_dir()

    def is_empty(self) -> bool:
        with os.scandir(self.root) as entries:
            return next(entries, None) is None

    def read(self, path: str) -> bytes:
        try:
            # O_NONBLOCK: opening a FIFO would wait for a writer.
            with open(
                self.root / path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)
            ) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise FileNotFoundError(path)
                return file.read()
        except IsADirectoryError as error:
            # Like an object store: no file has this name.
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
                # After a power cut the rename must not survive without the content.
                os.fsync(stream.fileno())
            _retried(lambda: _place(temporary, target, exclusive))
        except FileExistsError:
            if exclusive and target.parent.is_dir():
                return False
            raise  # A file has the name of the folder.
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
        """The files in a folder and its subfolders.

        Args:
            above: The folder and its parents. Links to one of them are skipped: they would never end.
        """
        try:
            with os.scandir(self.root / folder) as entries:
                found = list(entries)
        except FileNotFoundError:
            return  # Another process has deleted the empty folder since it was listed.
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                status = entry.stat()
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP):
                    continue  # deleted since the listing, or a dangling link
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
        """Deletes a folder if it is empty, then its parents while they are empty."""
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
    """Retries work that creates its own folder: another process may delete the folder while it is empty."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            return work()
    return work()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # The folder existed at mkdir, and was gone at the check.
        if not os.path.lexists(error.filename) or Path(error.filename).is_dir():
            raise FileNotFoundError(errno.ENOENT, "deleted by another process", error.filename) from error
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
