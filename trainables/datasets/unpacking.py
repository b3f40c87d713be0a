"""Unpacks untrusted archives: only regular files and folders, within limits, inside the target folder."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from trainables.datasets.files import CHUNK, Progress, silent
from trainables.errors import DataError

TAR_BUFFER = 1 << 16
TAR_OVERHEAD = 4096
"""Bytes per member of a .tar in addition to its content: headers, long names, padding."""


@dataclass(frozen=True)
class Limits:
    """Largest permitted content of an archive.

    Attributes:
        members: Number of files and folders.
        size: Total size of the unpacked files, in bytes.
    """

    members: int
    size: int


@dataclass
class Member:
    """A file or folder of an archive.

    Attributes:
        path: Relative path, never outside the target.
        content: Yields the bytes of a file in chunks; None for a folder. Read it before the next member.
    """

    path: PurePosixPath
    content: Iterator[bytes] | None


def unpack(archive: Path, into: Path, limits: Limits, progress: Progress = silent) -> None:
    """Unpacks a .zip, .tar or .tar.gz into the new folder `into`. Creates no links, and replaces no files.

    Raises:
        DataError: The archive is damaged, exceeds `limits`, or contains anything but regular files and
            folders inside `into`. Then `into` has the part that was unpacked.
        OSError: `into` exists or cannot be written.
    """
    into.mkdir(parents=True)
    for member in members(archive, limits, progress):
        path = into / member.path
        try:
            (path if member.content is None else path.parent).mkdir(parents=True, exist_ok=True)
            if member.content is not None:
                with path.open("xb") as out:
                    for piece in member.content:
                        out.write(piece)
        except (FileExistsError, NotADirectoryError):
            raise _unsafe(archive, str(member.path), "occurs twice") from None


def members(archive: Path, limits: Limits, progress: Progress = silent) -> Iterator[Member]:
    """The members of a .zip, .tar or .tar.gz in their order. Writes nothing.

    Raises:
        DataError: As for `unpack`.
    """
    task = f"{archive.name}: unpacking"
    read = _of_zip if archive.suffix == ".zip" else _of_tar
    budget = _Budget(archive, limits)
    yield from _checked_members(
        archive, read(archive, budget, lambda done, total: progress(task, done, total))
    )


@dataclass
class _Budget:
    """Counts the content of an archive before it is written.

    Attributes:
        announced: Bytes of the files so far, by their headers.
        read: Bytes of the files so far, as read.
    """

    archive: Path
    limits: Limits
    members: int = 0
    announced: int = 0
    read: int = 0

    def member(self, size: int) -> None:
        if size < 0:
            raise ValueError("a file has a negative size")
        self.members += 1
        self.announced += size
        if self.members > self.limits.members:
            raise self.exceeded()
        self._check(self.announced)

    def took(self, size: int) -> None:
        self.read += size
        self._check(self.read)

    def _check(self, size: int) -> None:
        if size > self.limits.size:
            raise self.exceeded()

    def exceeded(self) -> DataError:
        return DataError(
            f"{self.archive} is not safe to unpack: it exceeds the {self.limits.members:,} files and "
            f"{self.limits.size:,} bytes of the published one."
        )


def _unsafe(archive: Path, name: str, why: str) -> DataError:
    return DataError(f"{archive} is not safe to unpack: {name!r} {why}.")


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The relative path of a member."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _unsafe(archive, name, "escapes the folder")
    return path


def _checked_members(archive: Path, read: Iterator[Member]) -> Iterator[Member]:
    """The members. Turns any exception of their reading into one line."""
    while True:
        try:
            member = next(read)
        except StopIteration:
            return
        except DataError:
            raise
        except Exception as error:
            raise _damaged(archive, error) from error
        if member.content is not None:
            member.content = _checked_pieces(archive, member.content)
        yield member


def _checked_pieces(archive: Path, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except DataError:
        raise
    except Exception as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    # A damaged archive can raise any exception. The file is at fault.
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"cannot read {archive}: {error.strerror}.")
    cause = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{archive} is damaged: {cause}. Delete it and rerun the command.")


def _pieces(file: IO[bytes], budget: _Budget) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        budget.took(len(piece))
        yield piece


def _of_zip(archive: Path, budget: _Budget, progress: Callable[[int, int], None]) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as zipped:
        found = zipped.infolist()
        # The central directory lists all members in advance.
        for info in found:
            path = _inside(archive, info.filename)
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(archive, info.filename, "is neither a regular file nor a folder")
            budget.member(info.file_size)
        for number, info in enumerate(found, 1):
            path = _inside(archive, info.filename)
            if info.is_dir():
                yield Member(path, None)
            else:
                with zipped.open(info) as file:  # checks its CRC at the end
                    yield Member(path, _pieces(file, budget))
            progress(number, len(found))


def _of_tar(archive: Path, budget: _Budget, progress: Callable[[int, int], None]) -> Iterator[Member]:
    total = archive.stat().st_size
    with archive.open("rb") as raw:
        plain = gzip.GzipFile(fileobj=raw) if archive.suffix == ".gz" else raw
        limits = budget.limits
        stream = _Limited(plain, limits.size + limits.members * TAR_OVERHEAD + TAR_BUFFER, budget)
        # A stream cannot be made to seek backwards in a loop.
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", bufsize=TAR_BUFFER) as tar:
            for info in tar:
                path = _inside(archive, info.name)
                # Not `isfile`, which also accepts sparse files of any size.
                if info.sparse is not None or info.type not in (
                    tarfile.REGTYPE,
                    tarfile.AREGTYPE,
                    tarfile.DIRTYPE,
                ):
                    raise _unsafe(archive, info.name, "is neither a regular file nor a folder")
                budget.member(info.size)
                file = tar.extractfile(info)
                yield Member(path, None if file is None else _pieces(file, budget))
                progress(raw.tell(), total)


@dataclass
class _Limited:
    """A stream with a limit, against bombs outside of the files' content, such as a header of 1 GiB.

    Attributes:
        left: Remaining bytes.
    """

    inner: BinaryIO | gzip.GzipFile
    left: int
    budget: _Budget

    def read(self, size: int) -> bytes:
        piece = self.inner.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise self.budget.exceeded()
        return piece
