"""A file that gets its name only if no other has it: of two in the same moment one is told so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What exFAT, some network and some user-space file systems say to a hard link."""


def place_new(whole: Path, target: Path) -> None:
    """Gives a whole file the name `target`. Of that under which it was written the caller disposes.

    By a hard link, since a rename would silently replace what is there. A file system without hard links has
    the folder locked while one looks and renames. The lock ends with its process. It holds within a machine:
    where several share such a file system (a bucket that is mounted as a folder, say), two of them may both
    take the name in the same moment, and the later file stands, whole.

    Raises:
        FileExistsError: The name is taken.
    """
    try:
        target.hardlink_to(whole)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        with _locked(target.parent):
            if target.exists():
                raise FileExistsError(errno.EEXIST, "it is there", str(target)) from None
            whole.replace(target)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Some file systems have no locks either.
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
