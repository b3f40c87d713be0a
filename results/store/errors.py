"""Errors of a store, each in one line with its remedy."""

import errno

from trainables.errors import CalibsweepError

BY_ERRNO = {
    errno.ENOSPC: "the disk is full: free some space, then rerun the command",
    errno.EDQUOT: "the disk quota is used up: free some space, then rerun the command",
    errno.EROFS: "the file system is read-only: choose another --store",
    errno.EACCES: "permission denied: choose another --store or ask for write permission",
    errno.EPERM: "permission denied: choose another --store or ask for write permission",
    errno.ENOTDIR: "part of the path is a file, not a folder: choose another --store",
    errno.ENAMETOOLONG: "a name is too long for the file system: choose another --store",
    errno.EEXIST: "a file is in the way: choose another --store",
}


class StoreError(CalibsweepError):
    """The store cannot be read or written. The sweep stops; committed files stay unchanged."""


def store_error(action: str, place: str, error: OSError) -> StoreError:
    """The error of a failed `action` at `place`, in one line."""
    return StoreError(f"cannot {action} {place}: {reason(error)}.")


def reason(error: Exception) -> str:
    """Cause and remedy of an error; the first line of its text if it is unknown."""
    if isinstance(error, OSError) and error.errno in BY_ERRNO:
        return BY_ERRNO[error.errno]
    return (str(error).strip() or type(error).__name__).splitlines()[0]
