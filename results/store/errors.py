"""What can go wrong with a store, in one line."""

import errno

from trainables.errors import CalibsweepError

OF_THE_SYSTEM = {
    errno.ENOSPC: "the disk is full: make room, then run the same command again",
    errno.EDQUOT: "the disk quota is used up: make room, then run the same command again",
    errno.EROFS: "the file system is read-only: choose another --store",
    errno.EACCES: "permission denied: choose another --store or ask for the right to write there",
    errno.EPERM: "permission denied: choose another --store or ask for the right to write there",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another --store",
    errno.ENAMETOOLONG: "a name is too long for the file system: choose another --store",
    errno.EEXIST: "a file is in the way: choose another --store",
}


class StoreError(CalibsweepError):
    """The store cannot be read or written: the sweep stops, and what is committed stays as it is."""


def store_error(action: str, place: str, error: OSError) -> StoreError:
    """One line for an error met while doing `action` at `place`."""
    return StoreError(f"cannot {action} {place}: {reason(error)}.")


def reason(error: Exception) -> str:
    """What an error means and what to do; its own first line where it is no known one."""
    if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:
        return OF_THE_SYSTEM[error.errno]
    return (str(error).strip() or type(error).__name__).splitlines()[0]
