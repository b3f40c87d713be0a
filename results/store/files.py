"""Files of a store, on a local disk or in an object store, written whole or not at all."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator

from results.store.address import DATA, DATA_FOLDERS
from results.store.errors import StoreError, store_error
from results.store.file_info import TEMPORARY, TEMPORARY_NAME, FileInfo
from results.store.local_files import LocalFiles
from results.store.object_store import ObjectStore
from results.store.place import place_of, redacted

FOLDERS = (
    *(*DATA, *DATA_FOLDERS, "failures", "checkpoints", "running", "compacted", "pilots", "damaged"),
    *("findings", "tables", "rescored", TEMPORARY),
)
"""The folders of a store."""

STALE_SECONDS = 86_400
"""Half-written files older than a day belong to nobody who is still writing."""


class Folder:
    """A root folder or object-store prefix, and files below it by relative path.

    A file is seen only when it is whole: it is written under a temporary name and renamed. (An object store
    shows an object only when its upload is complete, which is the same guarantee.)

    Args:
        uri: A local path, or a URI: s3://, gs://, az:// or file://.

    Raises:
        StoreError: A URI that cannot be used.
    """

    def __init__(self, uri: str):
        self.uri = uri
        place = place_of(uri)
        self._files: LocalFiles | ObjectStore
        self._files = LocalFiles(place) if isinstance(place, str) else ObjectStore(place)
        self.is_local = isinstance(self._files, LocalFiles)
        self.readers = self._files.readers
        """How many threads read side by side."""

    def name(self, path: str) -> str:
        """The file's full name, for messages."""
        return f"{redacted(self.uri).rstrip('/')}/{path}"

    @property
    def root(self) -> str:
        """Of a folder of this machine: its absolute path."""
        if not isinstance(self._files, LocalFiles):
            raise TypeError(f"{self.uri} is no folder")
        return str(self._files.root)

    def sit_out_outages(
        self, tell: Callable[[str], None] | None = None, seconds: float | None = None
    ) -> None:
        """From now on, waits out outages of an object store, as long as a run should.

        Args:
            tell: Called, in any thread, with a line that says for how long it has been so; None for a warning
                in the log.
            seconds: For so long at most.
        """
        if isinstance(self._files, ObjectStore):
            self._files.outages.sit_out(tell, seconds)

    @contextlib.contextmanager
    def briefly(self) -> Iterator[None]:
        """Inside this context, this thread does not wait long for an unreachable object store."""
        if isinstance(self._files, ObjectStore):
            with self._files.outages.briefly():
                yield
        else:
            yield

    def place_exists(self) -> bool:
        """Whether there is such a folder, or such a bucket, at all. Raises StoreError."""
        with self._told("read", ""):
            return self._files.place_exists()

    def is_empty(self) -> bool:
        """Whether nothing at all lies in it. Raises StoreError."""
        with self._told("read", ""):
            return self._files.is_empty()

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError for a file that is not there, StoreError for one that cannot be read."""
        try:
            return self._files.read(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise store_error("read", self.name(path), error) from error

    def write(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Puts `content` at `path` in one step. With `exclusive`, a file already there stands: returns False.

        Raises:
            StoreError: A full disk, a read-only store, refused access.
        """
        with self._told("write", path):
            return self._files.write(path, content, exclusive)

    def exists(self, path: str) -> bool:
        with self._told("read", path):
            return self._files.exists(path)

    def list(self, folder: str) -> Iterator[FileInfo]:
        """All files below `folder`, in order of their names; none if there is no such folder."""
        with self._told("read", folder):
            found = sorted(self._files.list(folder), key=lambda info: info.path)
        yield from found

    def delete(self, path: str) -> None:
        """Deletes a file, and its folder if that is empty then, as in an object store.

        One that is gone already is no error, since two writers may tidy up at once.
        """
        with self._told("delete", path):
            self._files.delete(path)

    def move(self, source: str, target: str) -> None:
        """Moves a file, unless there is none: another process has just done so."""
        with self._told("move", source), contextlib.suppress(FileNotFoundError):
            self._files.move(source, target)

    @property
    def has_markers(self) -> bool:
        """Whether objects of ours were seen that stand for empty folders: earlier versions left them."""
        return isinstance(self._files, ObjectStore) and any(map(_is_ours, self._files.markers))

    @property
    def odd_names(self) -> tuple[str, ...]:
        """Names of objects that are no paths: `list` came upon them and passed them over."""
        return tuple(sorted(self._files.odd_names)) if isinstance(self._files, ObjectStore) else ()

    def check_writable(self) -> None:
        """Raises StoreError, in one line, if nothing can be written here. Deletes what it wrote if it can."""
        probe = f"{TEMPORARY}/probe-{uuid.uuid4().hex}"
        self.write(probe, b"x")
        with contextlib.suppress(StoreError), self.briefly():
            self.delete(probe)

    def delete_stale_temporaries(self) -> None:
        """Deletes half-written files older than a day, and of empty folders what was seen in listings.

        Raises:
            StoreError: Something cannot be deleted.
        """
        for info in self.list(TEMPORARY):
            is_old = time.time() - info.modified_ns / 1e9 > STALE_SECONDS
            if is_old and TEMPORARY_NAME.fullmatch(info.path):
                self.delete(info.path)
        if isinstance(self._files, LocalFiles):
            self._files.delete_empty(TEMPORARY)
            return
        for marker in sorted(self._files.markers):
            if _is_ours(marker):
                with self._told("delete", f"{marker}/"):
                    self._files.delete_marker(marker)

    @contextlib.contextmanager
    def _told(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(action, self.name(path), error) from error


def _is_ours(path: str) -> bool:
    return path.partition("/")[0] in FOLDERS
