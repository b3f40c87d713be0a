"""Published files: fetched once, gone on with after an interruption, and never used unverified."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import io
import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trainables.errors import DataError

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is (None where nobody knows)."""

CHUNK = 1 << 20
TIMEOUT = 30.0
ATTEMPTS = 6
"""Attempts in a row that bring no new byte, before a download is given up."""
FIRST_WAIT = 1.0
"""Seconds before the second attempt; each wait is twice the one before."""
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP states that may pass."""


def silent(task: str, done: int, total: int | None) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        sha256: Of its content; '' where nobody has published one, and what is in it is verified instead.
        size: How many bytes it has at most: a server that sends more is not listened to.
    """

    name: str
    url: str
    sha256: str
    size: int


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path, progress: Progress = silent) -> str:
    """SHA-256 of a file of any size.

    Raises:
        DataError: A file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _digest_of(file, path.name, progress)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error


def _digest_of(file: BinaryIO | io.FileIO, name: str, progress: Progress) -> str:
    found = hashlib.sha256()
    file.seek(0)
    done, total = 0, os.fstat(file.fileno()).st_size
    while chunk := file.read(CHUNK):
        found.update(chunk)
        done += len(chunk)
        progress(f"{name}: verifying", done, total)
    return found.hexdigest()


def read_published(path: Path, sha256: str, dataset: str) -> bytes:
    """The content of a file that must be the published one.

    Raises:
        DataError: A file that is missing or not what was published.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise missing(path, dataset) from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    if (found := digest(content)) != sha256:
        raise DataError(
            f"{path} is not the published file (SHA-256 {found}, published {sha256}): delete it with its "
            "folder, then",
            dataset,
        )
    return content


def missing(path: Path, dataset: str) -> DataError:
    """The error for a file that is not there."""
    return DataError(
        f"{path} is missing: say where the data sets lie (CALIBSWEEP_DATA, --data), or get this one", dataset
    )


def fetch(file: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """The path of the verified file in `folder`, downloaded if it is not there yet.

    A download goes to `<name>.partial`, is gone on with where it was interrupted, and gets its name only
    when its SHA-256 is the published one. A file that was put there by hand is verified and taken.

    Raises:
        DataError: A file that cannot be had or is not the published one, and what to do.
    """
    target, partial = folder / file.name, folder / f"{file.name}.partial"
    if target.exists():
        if file.sha256 and (found := digest_of_file(target, progress)) != file.sha256:
            raise DataError(
                f"{target} is damaged or incomplete (SHA-256 {found}, published {file.sha256}): delete it "
                "and run the command again."
            )
        return target
    _make(folder)
    with _own(partial) as out:
        try:
            # What was gone on with may have begun with bytes of another file: then once more, from the start.
            for last in (False, True):
                resumed = _transfer(file, out, target, progress)
                found = _digest_of(out, partial.name, progress)
                if not file.sha256 or found == file.sha256:
                    partial.replace(target)
                    return target
                _write(out, target, 0, b"")
                if last or not resumed:
                    break
        except OSError as error:
            raise DataError(f"cannot write {target}: {error.strerror}.") from error
        finally:
            if not _size(out):
                partial.unlink(missing_ok=True)
    raise DataError(
        f"what {file.url} gave is not the published {file.name} (SHA-256 {found}, published {file.sha256}): "
        + _by_hand(file, target)
    )


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds a lock file while `what` is being done; the system frees it if the process dies.

    Raises:
        DataError: Another process holds it.
    """
    _make(path.parent)
    with _own(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"{what} is being done by another process ({path} is locked): wait for it."
            ) from None
        yield


def _own(path: Path) -> io.FileIO:
    """A file of ours, new or with what was in it, to read and write: never another one by a link.

    Raises:
        DataError: It cannot be made, or is a link, a device or a file with a second name elsewhere.
    """
    try:
        # Without waiting: a FIFO would have us wait for whoever reads it.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_ours(path) from None
        raise DataError(f"cannot write {path}: {error.strerror}.") from error
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
        os.close(descriptor)
        raise _not_ours(path)
    # Without a buffer, which would be written at the end even to a disk that is full.
    return os.fdopen(descriptor, "r+b", buffering=0)


def _not_ours(path: Path) -> DataError:
    return DataError(f"{path} is a link or no plain file, and not written to: delete it.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror}.") from error


def _by_hand(file: RemoteFile, target: Path) -> str:
    return f"fetch {file.url} by hand, put it at {target} and run the command again."


def _transfer(file: RemoteFile, out: io.FileIO, target: Path, progress: Progress) -> bool:
    """Brings `out` to its full length; True if bytes of an earlier attempt are in it.

    Raises:
        DataError: A server that refuses, or brings nothing new however often it is asked.
    """
    resumed = _size(out) > 0
    attempts = 0
    while True:
        before = _size(out)
        try:
            if _receive(file, out, before, target, progress):
                return resumed
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # Nothing is left to send: the file is whole, or it is another one. Its digest will tell.
                return True
            reason = f"{error.code} {error.reason}"
            if error.code not in TEMPORARY:
                raise _cannot_download(file, target, reason) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        attempts = 1 if _size(out) > before else attempts + 1
        if attempts >= ATTEMPTS:
            raise _cannot_download(file, target, reason)
        time.sleep(FIRST_WAIT * 2 ** (attempts - 1))


def _cannot_download(file: RemoteFile, target: Path, reason: str) -> DataError:
    return DataError(f"cannot download {file.url} ({reason}): {_by_hand(file, target)}")


def _receive(file: RemoteFile, out: io.FileIO, start: int, target: Path, progress: Progress) -> bool:
    """Appends what the server sends from byte `start` on; True if nothing is left to send."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "calibsweep"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(file.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                _write(out, target, 0, b"")
                raise http.client.HTTPException("the server sent a range that was not asked for")
        else:
            start = 0  # A server without ranges sends the whole file again.
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        _write(out, target, start, b"")
        while chunk := response.read(CHUNK):
            if done + len(chunk) > file.size:
                _write(out, target, 0, b"")
                raise _cannot_download(file, target, f"it sends more than the {file.size:,} bytes published")
            _write(out, target, done, chunk)
            done += len(chunk)
            progress(f"{file.name}: downloading", done, total)
    return total is None or done >= total


def _write(out: io.FileIO, target: Path, start: int, chunk: bytes) -> None:
    """Writes at byte `start`, behind which nothing stays."""
    # An OSError of the disk must not be taken for one of the network, which is tried again.
    try:
        out.seek(start)
        out.truncate()
        left = memoryview(chunk)
        while left:
            left = left[out.write(left) :]
    except OSError as error:
        raise DataError(f"cannot write {target}.partial: {error.strerror}.") from error


def _size(out: io.FileIO) -> int:
    return os.fstat(out.fileno()).st_size
