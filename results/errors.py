"""What can go wrong with a store, in one line."""

import errno
import re

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

OF_S3 = {
    "ACCESS_DENIED": "access was refused: check the credentials and the bucket's policy",
    "INVALID_ACCESS_KEY_ID": "access was refused: the access key is unknown",
    "SIGNATURE_DOES_NOT_MATCH": "access was refused: the secret key is wrong",
    "EXPIRED_TOKEN": "access was refused: the session's token has expired",
    "NO_SUCH_BUCKET": "there is no such bucket: create it, or choose another --store",
    "NETWORK_CONNECTION": "the server cannot be reached: run the same command again once it can",
    "SLOW_DOWN": "the server is overloaded and refused every attempt: run the same command again later",
    "SERVICE_UNAVAILABLE": "the server refused every attempt: run the same command again later",
    "HTTP status 403": "access was refused: check the credentials and the bucket's policy",
    "HTTP status 503": "the server refused every attempt: run the same command again later",
    "INTERNAL_FAILURE": "the server failed every attempt: run the same command again later",
}
"""By the names that the AWS SDK gives to errors, or the status of an answer that says nothing else."""


class StoreError(CalibsweepError):
    """The store cannot be read or written: the sweep stops, and what is committed stays as it is."""


def store_error(action: str, place: str, error: OSError) -> StoreError:
    """One line for an error met while doing `action` at `place`."""
    return StoreError(f"cannot {action} {place}: {reason(error)}.")


def reason(error: Exception) -> str:
    """What an error means and what to do; its own first line where it is no known one."""
    if isinstance(error, OSError) and error.errno in OF_THE_SYSTEM:
        return OF_THE_SYSTEM[error.errno]
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    named = re.search(r"AWS Error (?:UNKNOWN \((HTTP status \d+)\)|([A-Z_]+))", text)
    return OF_S3.get(named[1] or named[2], text) if named else text
