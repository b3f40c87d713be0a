"""A user's own files in a trial's identity: a digest of their content stands for their path.

Two machines with the same files in other folders thus have the same trials. Loads no torch.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.errors import DataError
from trainables.registry import Entry
from trainables.texts import nearest

PREFIX = "sha256:"
"""A parameter of files may also be given by its digest, so that a sweep can be planned without them."""
LOOKED_SECONDS = 10.0
"""A sweep resolves each of its cells, so the dates of the files are not read again within this time."""


@dataclass(frozen=True)
class Files:
    """The files that a component reads.

    Attributes:
        parameter: The parameter that names them.
        place: Absolute path of a file or a folder.
        endings: Endings of the names of the files that count, in lower case; empty for all.
    """

    parameter: str
    place: str
    endings: tuple[str, ...]

    @property
    def digest(self) -> str:
        return PREFIX + digest_of(Path(self.place), self.endings)

    def checked(self, expected: str) -> str:
        """The path. Raises DataError if the files do not have this digest."""
        if self.digest != expected:
            raise DataError(f"{self.place} does not have the files that were planned ({expected}).")
        return self.place


def identified(entry: Entry[Any], params: Mapping[str, Any]) -> tuple[dict[str, Any], Files | None]:
    """Parameters with a digest for the path of the component's own files, and these files.

    Raises:
        DataError: The path does not exist, cannot be read, or has no such files.
    """
    parameter: str = getattr(entry.spec, "content", "")
    given = params.get(parameter)
    # Values of other types are refused later.
    if not parameter or not isinstance(given, str) or not given or given.startswith(PREFIX):
        return dict(params), None
    files = Files(parameter, str(Path(given).expanduser().absolute()), entry.spec.endings)
    return {**params, parameter: files.digest}, files


def digest_of(place: Path, endings: tuple[str, ...] = ()) -> str:
    """SHA-256 of a file, or over the names and contents of the files in a folder.

    Raises:
        DataError: The path does not exist, cannot be read, or has no such files.
    """
    known = _known.get((place, endings))
    if known and time.monotonic() - known.looked < LOOKED_SECONDS:
        return known.digest
    try:
        if place.is_file():
            state: tuple[Any, ...] = _state(place.stat())
        elif place.is_dir():
            listed = files_in(place, endings)
            state = tuple((name, *_state((place / name).stat())) for name in listed)
        else:
            raise absent(place)
        if known and known.state == state:
            digest = known.digest
        elif place.is_file():
            digest = _of_file(place)
        else:
            sha = hashlib.sha256()
            for name in listed:
                sha.update(f"{name}\0{_of_file(place / name)}\n".encode())
            digest = sha.hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {error.filename or place}: {error.strerror}.") from error
    _known[place, endings] = _Known(state, digest, time.monotonic())
    return digest


def files_in(folder: Path, endings: tuple[str, ...] = ()) -> list[str]:
    """Relative names of the files in a folder and its folders, sorted; without hidden ones.

    Raises:
        DataError: There are none.
    """
    found = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(parent).relative_to(folder)
        found += [
            (below / name).as_posix()
            for name in names
            if not name.startswith(".") and (not endings or name.lower().endswith(endings))
        ]
    if not found:
        expected = f" ({', '.join(endings)})" if endings else ""
        raise DataError(f"{folder} has no files to read{expected}.")
    return sorted(found)


@dataclass(frozen=True)
class _Known:
    """A digest, with sizes and dates of its files, and the time at which these were read."""

    state: tuple[Any, ...]
    digest: str
    looked: float


_known: dict[tuple[Path, tuple[str, ...]], _Known] = {}


def _state(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def absent(place: Path) -> DataError:
    """The error of a path that does not exist, with the nearest one beside it."""
    try:
        beside = [path.name for path in place.parent.iterdir()]
    except OSError:
        beside = []
    return DataError(f"{place} does not exist.{nearest(place.name, beside)}")
