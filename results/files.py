"""Files of a store, on a local disk or in an object store, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from results.errors import StoreError, store_error
from results.object_store import connect

TEMPORARY = "tmp"
STALE_SECONDS = 86_400
"""Half-written files older than a day belong to nobody who is still writing."""

LISTING_TRIES = 20

NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What exFAT, some network and some user-space file systems say to a hard link."""


@dataclass(frozen=True)
class FileInfo:
    path: str
    size: int
    modified_ns: int


class Folder:
    """A root folder or object-store prefix, and files below it by relative path.

    A file is seen only when it is whole: it is written under a temporary name and renamed. (An object store
    shows an object only when its upload is complete, which is the same guarantee.)

    Args:
        uri: A local path, or a URI that `pyarrow.fs` knows (s3://, gs://, file://).

    Raises:
        StoreError: A URI that cannot be used.
    """

    def __init__(self, uri: str):
        self.uri = uri
        if "://" in uri:
            self._fs, self.root = connect(uri)
        else:
            self._fs, self.root = fs.LocalFileSystem(), _local_root(uri)
        self.is_local = isinstance(self._fs, fs.LocalFileSystem)

    def _absolute(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def name(self, path: str) -> str:
        """The file's full name, for messages."""
        return f"{self.uri.partition('?')[0].rstrip('/')}/{path}"

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError for a file that is not there, StoreError for one that cannot be read."""
        try:
            if self.is_local:
                return Path(self._absolute(path)).read_bytes()
            with self._fs.open_input_stream(self._absolute(path), compression=None) as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            raise
        except OSError as error:
            raise store_error("read", self.name(path), error) from error

    def write(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Puts `content` at `path` in one step. With `exclusive`, a file already there stands: returns False.

        Raises:
            StoreError: A full disk, a read-only store, refused access.
        """
        try:
            if self.is_local:
                return self._write_local(path, content, exclusive)
            if exclusive and self.exists(path):
                return False
            with self._fs.open_output_stream(self._absolute(path), compression=None) as stream:
                stream.write(content)
            return True
        except OSError as error:
            raise store_error("write", self.name(path), error) from error

    def _write_local(self, path: str, content: bytes, exclusive: bool) -> bool:
        target = Path(self._absolute(path))
        if exclusive and target.exists():
            return False
        temporary = Path(self._absolute(TEMPORARY)) / uuid.uuid4().hex
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(content)
                stream.flush()
                # A rename that survives a power cut must not outlive the content it names.
                os.fsync(stream.fileno())
            try:
                _place(temporary, target, exclusive)
            except FileNotFoundError:
                # Another process has just deleted the folder, since it was empty.
                _place(temporary, target, exclusive)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def exists(self, path: str) -> bool:
        try:
            return bool(self._fs.get_file_info(self._absolute(path)).type == fs.FileType.File)
        except OSError as error:
            raise store_error("read", self.name(path), error) from error

    def list(self, folder: str) -> Iterator[FileInfo]:
        """All files below `folder`, in order of their names; none if there is no such folder."""
        infos = self._infos(folder)
        start = len(self.root) + 1
        files = [i for i in infos if i.type == fs.FileType.File]
        for info in sorted(files, key=lambda i: i.path):
            yield FileInfo(info.path[start:], info.size, info.mtime_ns or 0)

    def _infos(self, folder: str) -> Sequence[fs.FileInfo]:
        selector = fs.FileSelector(self._absolute(folder), recursive=True, allow_not_found=True)
        for _ in range(LISTING_TRIES):
            try:
                found: Sequence[fs.FileInfo] = self._fs.get_file_info(selector)
                return found
            except FileNotFoundError as error:
                # Another process has just deleted a folder below, since it was empty. That ends a listing.
                last = error
            except OSError as error:
                raise store_error("read", self.name(folder), error) from error
        raise store_error("read", self.name(folder), last) from last

    def delete(self, path: str) -> None:
        """Deletes a file; one that is gone already is no error, since two writers may tidy up at once."""
        try:
            if self.exists(path):
                self._fs.delete_file(self._absolute(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise store_error("delete", self.name(path), error) from error

    def delete_folder_if_empty(self, path: str) -> None:
        """An object store has no empty folders; on a disk they would pile up, one for each trial."""
        if self.is_local:
            with contextlib.suppress(OSError):
                Path(self._absolute(path)).rmdir()

    def move(self, source: str, target: str) -> None:
        """Moves a file, unless there is none: another process has just done so."""
        try:
            if self.is_local:
                Path(self._absolute(target)).parent.mkdir(parents=True, exist_ok=True)
            self._fs.move(self._absolute(source), self._absolute(target))
        except FileNotFoundError:
            pass
        except OSError as error:
            # Object stores have their own words for it.
            if self.exists(source):
                raise store_error("move", self.name(source), error) from error

    def check_writable(self) -> None:
        """Raises StoreError, in one line, if nothing can be written here; leaves nothing behind."""
        probe = f"{TEMPORARY}/probe-{uuid.uuid4().hex}"
        self.write(probe, b"x")
        self.delete(probe)

    def delete_stale_temporaries(self) -> None:
        for info in self.list(TEMPORARY):
            if time.time() - info.modified_ns / 1e9 > STALE_SECONDS:
                with contextlib.suppress(StoreError):
                    self.delete(info.path)


def _local_root(path: str) -> str:
    """Raises StoreError for what is no folder's name, or that of a file."""
    if not path.strip():
        raise StoreError("the store has no name: choose a folder, or s3://, gs://, for --store.")
    try:
        root = Path(path).expanduser().absolute()
        if not stat.S_ISDIR(root.stat().st_mode):
            raise StoreError(f"the store {path} is a file, not a folder: choose another --store.")
    except FileNotFoundError:
        pass  # It is made with its first file.
    except OSError as error:
        raise store_error("use the store", path, error) from error
    except (RuntimeError, ValueError) as error:
        # No such user's home, or a name that no file can have.
        raise StoreError(f"cannot use the store {path!r}: {error}; choose another --store.") from error
    return str(root)


def _place(temporary: Path, target: Path, exclusive: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (exclusive and _linked(target, temporary)):
        temporary.replace(target)


def _linked(target: Path, temporary: Path) -> bool:
    """Gives a file a second name, which fails where the name is taken: a rename would silently replace it.

    Returns:
        False where the file system has no hard links. What is left there is to have looked before: of two
        writers in the same moment the second wins, and both have the same numbers.
    """
    try:
        target.hardlink_to(temporary)
    except OSError as error:
        if error.errno in NO_HARD_LINKS:
            return False
        raise
    return True
