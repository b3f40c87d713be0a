"""Downloads published files once, resumes interrupted downloads, and verifies every file before use."""

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
"""Called with the task, the amount done, and the total (None if unknown)."""

CHUNK = 1 << 20
TIMEOUT = 30.0
ATTEMPTS = 6
"""Consecutive attempts without a new byte before a download fails."""
FIRST_WAIT = 1.0
"""Seconds before the second attempt. Each further wait doubles."""
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP states worth a retry."""


def silent(task: str, done: int, total: int | None) -> None:
    """Reports no progress."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        sha256: Digest of its content; '' if none is published, and the content is checked in another way.
        size: Largest size in bytes. A download that exceeds it is aborted.
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
        DataError: The file cannot be read.
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
    """Reads a file, and checks that it is the published one.

    Raises:
        DataError: The file is missing or not the published one.
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
    """The error for a missing file."""
    return DataError(
        f"{path} is missing: give the folder of the data sets (CALIBSWEEP_DATA, --data), or prepare this one",
        dataset,
    )


def fetch(file: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """Downloads a file into `folder` unless it exists, verifies it, and returns its path.

    A download goes to `<name>.partial`, resumes after an interruption, and gets its name only if its SHA-256
    matches. A file placed there by hand is verified and used.

    Raises:
        DataError: The file is unavailable or not the published one. The message says what to do.
    """
    target, partial = folder / file.name, folder / f"{file.name}.partial"
    if target.exists():
        if file.sha256 and (found := digest_of_file(target, progress)) != file.sha256:
            raise DataError(
                f"{target} is damaged or incomplete (SHA-256 {found}, published {file.sha256}): delete it "
                "and rerun the command."
            )
        return target
    _make(folder)
    with _own(partial) as out:
        try:
            # A resumed download may have begun with bytes of another file. Then retry from the start.
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
        f"{file.url} is not the published {file.name} (SHA-256 {found}, published {file.sha256}): "
        + _by_hand(file, target)
    )


@contextmanager
def locked(path: Path, task: str) -> Iterator[None]:
    """Holds a lock file during `task`. The system releases it if the process dies.

    Raises:
        DataError: Another process holds the lock.
    """
    _make(path.parent)
    with _own(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"another process is {task} ({path} is locked): wait for it.") from None
        yield


def _own(path: Path) -> io.FileIO:
    """Opens our file for reading and writing, creates it if necessary, and never follows a link.

    Raises:
        DataError: It cannot be created, or is a link, a device, or a file with another name elsewhere.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for a reader.
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
    # Unbuffered: a buffer would be flushed at close even if the disk is full.
    return os.fdopen(descriptor, "r+b", buffering=0)


def _not_ours(path: Path) -> DataError:
    return DataError(f"{path} is a link or a special file and was not overwritten: delete it.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror}.") from error


def _by_hand(file: RemoteFile, target: Path) -> str:
    return f"download {file.url} by hand to {target}, and rerun the command."


def _transfer(file: RemoteFile, out: io.FileIO, target: Path, progress: Progress) -> bool:
    """Downloads the rest of `out`. Returns whether it contains bytes of an earlier attempt.

    Raises:
        DataError: The server refuses, or sends nothing new in ATTEMPTS attempts.
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
                # Nothing is left to send. The digest decides whether this is the right file.
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
    """Appends the data from byte `start` on. Returns whether it is complete."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "calibsweep"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(file.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                _write(out, target, 0, b"")
                raise http.client.HTTPException("the server sent a different range of bytes than requested")
        else:
            start = 0  # A server without ranges sends the whole file again.
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        _write(out, target, start, b"")
        while chunk := response.read(CHUNK):
            if done + len(chunk) > file.size:
                _write(out, target, 0, b"")
                raise _cannot_download(file, target, f"it is larger than the {file.size:,} bytes published")
            _write(out, target, done, chunk)
            done += len(chunk)
            progress(f"{file.name}: downloading", done, total)
    return total is None or done >= total


def _write(out: io.FileIO, target: Path, start: int, chunk: bytes) -> None:
    """Truncates the file to `start` bytes, then appends `chunk`."""
    # An OSError of the disk must not be taken for one of the network, which is retried.
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
