"""Published files: fetched once, gone on with after an interruption, and never used unverified."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
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
    """A published file: its name, where it is, and its MD5; '' where what is in it is verified instead."""

    name: str
    url: str
    md5: str


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def md5_of_file(path: Path, progress: Progress = silent) -> str:
    """MD5 of a file of any size.

    Raises:
        DataError: A file that cannot be read.
    """
    found = hashlib.md5(usedforsecurity=False)
    try:
        done, total = 0, path.stat().st_size
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                found.update(chunk)
                done += len(chunk)
                progress(f"{path.name}: verifying", done, total)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    return found.hexdigest()


def read_published(path: Path, md5: str, dataset: str) -> bytes:
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
    if (found := md5_of(content)) != md5:
        raise DataError(
            f"{path} is not the published file (MD5 {found}, published {md5}): delete it with its folder "
            f"and run `calibsweep data prepare {dataset}`."
        )
    return content


def missing(path: Path, dataset: str) -> DataError:
    """The error for a file that is not there."""
    return DataError(
        f"{path} is missing: run `calibsweep data prepare {dataset}`, or say where the data sets lie "
        "(CALIBSWEEP_DATA, --data)."
    )


def fetch(file: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """The path of the verified file in `folder`, downloaded if it is not there yet.

    A download goes to `<name>.partial`, is gone on with where it was interrupted, and gets its name only
    when its MD5 is the published one. A file that was put there by hand is verified and taken.

    Raises:
        DataError: A file that cannot be had or is not the published one, and what to do.
    """
    target, partial = folder / file.name, folder / f"{file.name}.partial"
    if target.exists():
        found = md5_of_file(target, progress)
        if file.md5 and found != file.md5:
            raise DataError(
                f"{target} is damaged or incomplete (MD5 {found}, published {file.md5}): delete it and run "
                "the command again."
            )
        return target
    _make(folder)
    # What was gone on with may have begun with bytes of another file: then once more, from the start.
    for last in (False, True):
        resumed = _transfer(file, partial, progress)
        found = md5_of_file(partial, progress)
        if not file.md5 or found == file.md5:
            partial.replace(target)
            break
        partial.unlink()
        if last or not resumed:
            raise DataError(
                f"what {file.url} gave is not the published {file.name} (MD5 {found}, published {file.md5}): "
                + _by_hand(file, target)
            )
    return target


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds a lock file while `what` is being done; the system frees it if the process dies.

    Raises:
        DataError: Another process holds it.
    """
    _make(path.parent)
    with _opened(path, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"{what} is being done by another process ({path} is locked): wait for it."
            ) from None
        yield


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror}.") from error


def _by_hand(file: RemoteFile, target: Path) -> str:
    return f"fetch {file.url} by hand, put it at {target} and run the command again."


def _transfer(file: RemoteFile, partial: Path, progress: Progress) -> bool:
    """Brings `partial` to its full length; True if bytes of an earlier attempt are in it.

    Raises:
        DataError: A server that refuses, or brings nothing new however often it is asked.
    """
    resumed = _size(partial) > 0
    attempts = 0
    while True:
        before = _size(partial)
        try:
            if _receive(file, partial, before, progress):
                return resumed
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                # Nothing is left to send: the file is whole, or it is another one. Its MD5 will tell.
                return True
            reason = f"{error.code} {error.reason}"
            if error.code not in TEMPORARY:
                raise _cannot_download(file, partial, reason) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        attempts = 1 if _size(partial) > before else attempts + 1
        if attempts >= ATTEMPTS:
            raise _cannot_download(file, partial, reason)
        time.sleep(FIRST_WAIT * 2 ** (attempts - 1))


def _cannot_download(file: RemoteFile, partial: Path, reason: str) -> DataError:
    target = partial.with_name(file.name)
    return DataError(f"cannot download {file.url} ({reason}): {_by_hand(file, target)}")


def _receive(file: RemoteFile, partial: Path, start: int, progress: Progress) -> bool:
    """Appends what the server sends from byte `start` on; True if nothing is left to send."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "calibsweep"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(file.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                partial.unlink()
                raise http.client.HTTPException("the server sent a range that was not asked for")
        else:
            start = 0  # A server without ranges sends the whole file again.
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with _opened(partial, "ab" if start else "wb") as out:
            done = start
            while chunk := response.read(CHUNK):
                _write(out, chunk, partial)
                done += len(chunk)
                progress(f"{file.name}: downloading", done, total)
    return total is None or done >= total


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        return path.open(mode)  # type: ignore[return-value]
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}.") from error


def _write(out: BinaryIO, chunk: bytes, path: Path) -> None:
    # An OSError of the disk must not be taken for one of the network, which is tried again.
    try:
        out.write(chunk)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}.") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
