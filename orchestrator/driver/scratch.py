"""The run's folder in the temporary folder. It holds all temporary files of the run and its Ray."""

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
"""Short, because Ray creates sockets in the folder, and the kernel limits their paths to 107 bytes."""


LOGS_PREFIX = "calibsweep-ray-logs-"
LOGS_DAYS = 7.0
"""How long the logs of a dead Ray are kept."""


class Scratch:
    """A new folder, locked for the lifetime of this process.

    First deletes folders of dead processes, and expired logs.

    Args:
        temporary: Its parent; by default the system's temporary folder.

    Raises:
        ConfigurationError: The folder cannot be created.
    """

    def __init__(self, temporary: Path | None = None) -> None:
        try:
            _delete_old_logs()
            self._make(temporary or Path(tempfile.gettempdir()))
        except OSError as error:
            raise ConfigurationError(
                f"cannot use the temporary folder: {error} (set TMPDIR to another)"
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
                # Another starting run took the unlocked folder for an abandoned one.
                continue
            except OSError:
                # The file system has no locks. Then abandoned folders are not deleted either.
                break
        for name in ("tmp", "tune"):
            (self.folder / name).mkdir()

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def logs_folder() -> Path:
    """Creates a folder for the logs of a dead Ray. A run deletes it after LOGS_DAYS."""
    return Path(tempfile.mkdtemp(prefix=LOGS_PREFIX))


def _delete_old_logs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{LOGS_PREFIX}*"):
        # Skip folders of other users, and files.
        with contextlib.suppress(OSError):
            if time.time() > folder.lstat().st_mtime + 86_400 * LOGS_DAYS:
                shutil.rmtree(folder)


def _locked(folder: Path) -> int:
    """Returns a descriptor that holds the folder's lock.

    The kernel releases the lock when the process ends in any way. Unlike a process id, it is valid across the
    containers of a machine.

    Raises:
        BlockingIOError: Another process holds the lock.
        FileNotFoundError: The folder is gone.
        OSError: The folder belongs to another user, or the file system has no locks.
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
