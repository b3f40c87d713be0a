"""The one folder of a run in the temporary folder, with all that the run and its Ray put there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from trainables.errors import ConfigurationError

PREFIX = "calibsweep-run-"
"""Short: in the folder Ray makes its session, with sockets, whose paths the kernel limits to 107 bytes."""


LOGS_PREFIX = "calibsweep-ray-logs-"
LOGS_DAYS = 7.0
"""How long the logs of a Ray that died are there to be looked at."""


class Scratch:
    """A new folder, locked for as long as this process lives.

    Folders whose process died are deleted first, and logs that were kept for long enough.

    Args:
        temporary: Where it comes to lie; the temporary folder without it.

    Raises:
        ConfigurationError: There is no place for it.
    """

    def __init__(self, temporary: Path | None = None) -> None:
        try:
            _delete_old_logs()
            self._make(temporary or Path(tempfile.gettempdir()))
        except OSError as error:
            raise ConfigurationError(
                f"the temporary folder cannot be used: {error} (TMPDIR names another)"
            ) from error

    def _make(self, temporary: Path) -> None:
        for folder in temporary.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                lock = _locked(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
        self.lock: int | None = None
        while self.lock is None:
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
            try:
                self.lock = _locked(self.folder)
            except (BlockingIOError, FileNotFoundError):
                # Another run that starts has taken it, still unlocked, for one that was left behind.
                continue
            except OSError:
                # A file system without locks, on which none is deleted either.
                break
        for name in ("tmp", "tune"):
            (self.folder / name).mkdir()

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def logs_folder() -> Path:
    """A new folder for the logs of a Ray that died. The first run after some days deletes it."""
    return Path(tempfile.mkdtemp(prefix=LOGS_PREFIX))


def _delete_old_logs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{LOGS_PREFIX}*"):
        # One that is somebody else's, or no folder, stays.
        with contextlib.suppress(OSError):
            if time.time() > folder.lstat().st_mtime + 86_400 * LOGS_DAYS:
                shutil.rmtree(folder)


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock.

    The kernel ends the lock with the process, however that ends, and knows it from all containers of this
    machine, where a process's number would mean nothing.

    Raises:
        BlockingIOError: Another process holds it.
        FileNotFoundError: The folder is gone.
        OSError: It is someone else's, or on a file system without locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino != os.fstat(descriptor).st_ino:
            raise FileNotFoundError(folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
