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
    *("findings", "reports", "tables", "rescored", TEMPORARY),
)
"""The folders of a store."""

STALE_SECONDS = 86_400
"""Age at which a half-written file no longer has a writer: a day."""


class Folder:
    """A root folder or object-store prefix, and files below it by relative path.

    A file becomes visible only when it is complete: it is written under a temporary name and renamed. (An
    object store gives the same guarantee: an object appears when its upload is complete.)

    Args:
        uri: A local path, or a URI: s3://, gs://, az:// or file://.

    Raises:
        StoreError: The URI is invalid.
    """

    def __init__(self, uri: str):
        self.uri = uri
        place = place_of(uri)
        self._files: LocalFiles | ObjectStore
        self._files = LocalFiles(place) if isinstance(place, str) else ObjectStore(place)
        self.is_local = isinstance(self._files, LocalFiles)
        self.readers = self._files.readers
        """Number of threads that read in parallel."""

    def name(self, path: str) -> str:
        """The file's full name, for messages."""
        return f"{redacted(self.uri).rstrip('/')}/{path}"

    @property
    def root(self) -> str:
        """The absolute path of a local folder."""
        if not isinstance(self._files, LocalFiles):
            raise TypeError(f"{self.uri} is not a local folder")
        return str(self._files.root)

    def wait_out_outages(
        self, report: Callable[[str], None] | None = None, seconds: float | None = None
    ) -> None:
        """From now on, requests wait for an unreachable object store as long as those of a run.

        Args:
            report: Called, in any thread, with a line about an outage or its end; None for a warning in the
                log.
            seconds: A shorter limit.
        """
        if isinstance(self._files, ObjectStore):
            self._files.outages.wait_out(report, seconds)

    @contextlib.contextmanager
    def briefly(self) -> Iterator[None]:
        """Inside this context, this thread does not wait long for an unreachable object store."""
        if isinstance(self._files, ObjectStore):
            with self._files.outages.briefly():
                yield
        else:
            yield

    def place_exists(self) -> bool:
        """Whether the folder or the bucket exists. Raises StoreError."""
        with self._store_errors("read", ""):
            return self._files.place_exists()

    def is_empty(self) -> bool:
        """Whether it has no files. Raises StoreError."""
        with self._store_errors("read", ""):
            return self._files.is_empty()

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError for a missing file, StoreError for an unreadable one."""
        try:
            return self._files.read(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise store_error("read", self.name(path), error) from error

    def write(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Writes a file atomically. With `exclusive`, an existing file stands, and it returns False.

        Raises:
            StoreError: The disk is full, the store is read-only, or access is refused.
        """
        with self._store_errors("write", path):
            return self._files.write(path, content, exclusive)

    def exists(self, path: str) -> bool:
        with self._store_errors("read", path):
            return self._files.exists(path)

    def list(self, folder: str) -> Iterator[FileInfo]:
        """All files below `folder`, sorted by path; none if it does not exist."""
        with self._store_errors("read", folder):
            found = sorted(self._files.list(folder), key=lambda info: info.path)
        yield from found

    def delete(self, path: str) -> None:
        """Deletes a file, and its folder if that is then empty, as in an object store.

        A missing file is no error: two writers may tidy up at the same time.
        """
        with self._store_errors("delete", path):
            self._files.delete(path)

    def move(self, source: str, target: str) -> None:
        """Moves a file. A missing file is no error: another process has just moved it."""
        with self._store_errors("move", source), contextlib.suppress(FileNotFoundError):
            self._files.move(source, target)

    @property
    def has_markers(self) -> bool:
        """Whether listings showed markers of empty folders, which earlier versions left."""
        return isinstance(self._files, ObjectStore) and any(map(_is_ours, self._files.markers))

    @property
    def odd_names(self) -> tuple[str, ...]:
        """Names of objects that `list` skipped, since they are not valid paths."""
        return tuple(sorted(self._files.odd_names)) if isinstance(self._files, ObjectStore) else ()

    def check_writable(self) -> None:
        """Raises StoreError, in one line, if no file can be written. Deletes its test file if possible."""
        probe = f"{TEMPORARY}/probe-{uuid.uuid4().hex}"
        self.write(probe, b"x")
        with contextlib.suppress(StoreError), self.briefly():
            self.delete(probe)

    def delete_stale_temporaries(self) -> None:
        """Deletes half-written files older than a day, and markers of empty folders seen in listings.

        Raises:
            StoreError: A file cannot be deleted.
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
                with self._store_errors("delete", f"{marker}/"):
                    self._files.delete_marker(marker)

    @contextlib.contextmanager
    def _store_errors(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(action, self.name(path), error) from error


def _is_ours(path: str) -> bool:
    return path.partition("/")[0] in FOLDERS
