"""Gives a file its name only if the name is free. Of two simultaneous attempts one fails."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Errors of exFAT and of some network and user-space file systems for a hard link."""


def place_new(whole: Path, target: Path) -> None:
    """Gives the complete file `whole` the name `target`. The caller removes the old name.

    Uses a hard link, since a rename would silently replace an existing file. On a file system without hard
    links the folder is locked during check and rename. The lock ends with its process and holds within one
    machine. If several machines share such a file system (a mounted bucket, say), two of them may take the
    name at the same moment; then the later file stands, complete.

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
                raise FileExistsError(errno.EEXIST, "it exists", str(target)) from None
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
