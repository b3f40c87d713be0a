"""What can go wrong with a store, in one line."""

import errno

from trainables.errors import CalibsweepError


class StoreError(CalibsweepError):
    """The store cannot be read or written: the sweep stops, and what is committed stays as it is."""


def store_error(action: str, place: str, error: OSError) -> StoreError:
    """One line for an operating-system error met while doing `action` at `place`."""
    reasons = {
        errno.ENOSPC: "the disk is full: make room, then run the same command again",
        errno.EDQUOT: "the disk quota is used up: make room, then run the same command again",
        errno.EROFS: "the file system is read-only: choose another --store",
        errno.EACCES: "permission denied: choose another --store or ask for the right to write there",
        errno.EPERM: "permission denied: choose another --store or ask for the right to write there",
        errno.ENOTDIR: "a part of the path is a file, not a folder: choose another --store",
        errno.EEXIST: "a file is in the way: choose another --store",
    }
    reason = reasons.get(error.errno or 0, str(error))
    return StoreError(f"cannot {action} {place}: {reason}.")
