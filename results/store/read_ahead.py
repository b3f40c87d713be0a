"""Reads files before they are needed, many in parallel, while earlier ones are processed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from results.store.errors import StoreError
from results.store.file_info import FileInfo
from results.store.files import Folder

MOST_BYTES = 256 * 2**20
"""Limit on bytes read in advance. A single file may be larger."""


class ReadAhead:
    """Reads files of a folder.

    Args:
        infos: In the order of later reads, some of which may be skipped.
    """

    def __init__(self, folder: Folder, infos: Iterable[FileInfo]):
        self.folder = folder
        self._later = deque(infos)
        self._expected = {info.path for info in self._later}
        self._coming: deque[tuple[FileInfo, Future[bytes]]] = deque()
        self._bytes = 0
        self._executor: ThreadPoolExecutor | None = None

    def read(self, path: str) -> bytes:
        """Like `Folder.read`. Call it from one thread only."""
        if path not in self._expected:
            return self.folder.read(path)
        while True:
            self._start_more()
            info, future = self._coming.popleft()
            self._bytes -= info.size
            # Skipped files are not requested any more.
            self._expected.discard(info.path)
            if info.path == path:
                break
            future.cancel()
        self._start_more()
        try:
            return future.result()
        except FileNotFoundError:
            raise
        except StoreError:
            if not self.folder.is_local and self._executor:
                # The server is unavailable. Without this, the process would wait for all reads when it ends.
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._expected.clear()
            raise

    def _start_more(self) -> None:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.folder.readers, "read-ahead")
        while self._later and (
            not self._coming
            or (
                len(self._coming) < 4 * self.folder.readers
                and self._bytes + self._later[0].size <= MOST_BYTES
            )
        ):
            info = self._later.popleft()
            self._bytes += info.size
            self._coming.append((info, self._executor.submit(self.folder.read, info.path)))
