"""A store at one moment: each folder listed once, each row read once, many in parallel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from results.store import address, copies, rows
from results.store.address import DATA, Address, stem
from results.store.data_files import sha256
from results.store.file_info import FileInfo
from results.store.files import Folder
from trainables.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RowFolder:
    """The one-row files of a kind.

    Attributes:
        names: Folders: that of new rows, then that of older stores.
    """

    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def data(self) -> tuple[str, ...]:
        """The kinds of data of a row."""
        return tuple(DATA[self.name])

    @property
    def data_folders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(folder for name in self.names for folder in DATA[name].values()))


TRIALS = RowFolder((address.TRIALS,))
"""The rows of evaluations on the test set, which commit the trials."""

OTHERS = RowFolder((address.EVALUATIONS, address.EARLIER))
"""The rows of all other evaluations."""


@dataclass(frozen=True)
class Rows:
    """The rows of a folder.

    Attributes:
        frame: The rows from `rows.frame`, each with its source file (`copies.SOURCES`).
        damaged: Files whose rows are damaged.
        loose: Number of rows that are not in a compacted copy.
    """

    frame: pd.DataFrame
    damaged: tuple[str, ...]
    loose: int


class Snapshot:
    """The contents of a store, read on first use and then kept: a command makes one and passes it on.

    Args:
        like: Limits the trials to the data sets and models of these; None for all.
        thorough: On a disk, reads each row's file and compares it with the compacted copy. Otherwise, and in
            an object store, a file with the same listing as when it was copied is assumed to be unchanged.
        before: An earlier snapshot of the same trials: rows with unchanged files are not read again.

    Raises:
        StoreError: In each method: the store cannot be read.
    """

    def __init__(
        self,
        folder: Folder,
        like: Iterable[Trial] | None = None,
        *,
        thorough: bool = False,
        before: Snapshot | None = None,
    ):
        self.folder = folder
        self.like = None if like is None else list(like)
        self.thorough = thorough and folder.is_local
        self._before = before
        self._listed: dict[str, list[FileInfo]] = {}
        self._rows: dict[str, Rows] = {}
        self._copies: dict[str, pd.DataFrame | None] = {}

    def again(self) -> Snapshot:
        """A new snapshot of the same trials."""
        return Snapshot(self.folder, self.like, thorough=self.thorough, before=self)

    def trials(self) -> pd.DataFrame:
        """One row per finished trial: `evaluations` on the test set alone."""
        return self._plain([self.rows(TRIALS)])

    def evaluations(self) -> pd.DataFrame:
        """One row per finished trial and evaluation: identity, scores, and provenance.

        `evaluation` is 'test' or the label of another data set, and `trial_key` the key of the trial. Scores
        are `test_*` and, in rows for the test set, `validation_*`, in fractions, and nats for NLL.
        Temperatures are in rows for the test set. Damaged rows are excluded, and listed in
        `attrs["damaged"]`.
        """
        none = self.like is not None and not any(trial.evaluations for trial in self.like)
        return self._plain([self.rows(TRIALS), *([] if none else [self.rows(OTHERS)])])

    def _plain(self, found: Sequence[Rows]) -> pd.DataFrame:
        import pandas as pd

        there = [each.frame for each in found if len(each.frame)] or [found[0].frame]
        whole = pd.concat(there, ignore_index=True) if len(there) > 1 else there[0]
        frame = rows.plain(whole.drop(columns=list(copies.SOURCES)))
        frame = frame.sort_values(["dataset", "model", "loss", "seed", "key"], ignore_index=True)
        frame.attrs["damaged"] = [path for each in found for path in each.damaged]
        return frame

    def files(self, *kinds: str) -> list[FileInfo]:
        """The Parquet files of some kinds, without leftovers of operating systems and copying programs."""
        infos = self.listed(*(folder for kind in kinds for folder in self.folders(kind)))
        return [i for i in infos if i.path.endswith(".parquet") and is_ours(i.path)]

    def listed(self, *folders: str) -> list[FileInfo]:
        """All files below some folders."""
        new = [folder for folder in dict.fromkeys(folders) if folder not in self._listed]
        found = side_by_side(self.folder, lambda folder: list(self.folder.list(folder)), new)
        self._listed.update(zip(new, found, strict=True))
        return [info for folder in folders for info in self._listed[folder]]

    def forget(self, *kinds: str) -> None:
        """Lists these folders again on their next use."""
        for folder in list(self._listed):
            if folder.partition("/")[0] in kinds:
                del self._listed[folder]

    def folders(self, kind: str) -> list[str]:
        """The folders of a kind that contain the trials."""
        if self.like is None:
            return [kind]
        # Other folders, with trials of other sweeps, are not even listed.
        return [f"{kind}/{cell}" for cell in self._cells]

    @functools.cached_property
    def _cells(self) -> list[str]:
        return list(dict.fromkeys(Address.of(trial).cell for trial in self.like or ()))

    @property
    def loose(self) -> int:
        """Number of rows read so far that are not in a compacted copy."""
        return sum(found.loose for found in self._rows.values())

    def loose_of(self, of: RowFolder) -> int:
        """Number of rows of a folder read so far that are not in a compacted copy."""
        return self._rows[of.name].loose if of.name in self._rows else 0

    def known(self, of: RowFolder) -> pd.DataFrame:
        """The rows of a folder, and of other data sets and models those in the compacted copy."""
        import pandas as pd

        own = self.rows(of).frame
        copied = self._copy(of)
        if self.like is None or copied is None:
            return own
        paths = set(own["source_path"])
        others = copied[[path not in paths for path in copied["source_path"]]]
        return pd.concat([others, own], ignore_index=True) if len(others) else own

    def rows(self, of: RowFolder) -> Rows:
        if of.name not in self._rows:
            self._rows[of.name] = self._read_rows(of)
        return self._rows[of.name]

    def _read_rows(self, of: RowFolder) -> Rows:
        import pandas as pd

        self.listed(copies.FOLDER, *(folder for name in of.names for folder in self.folders(name)))
        left = {_source(info): info for info in self.files(*of.names)}
        known = self._before.rows(of).frame if self._before else self._copy(of)
        if known is not None:
            known = known[pd.Series([source in left for source in _sources(known)], known.index, dtype=bool)]
            if self.thorough and not self._before:
                digests = side_by_side(self.folder, self._digest, known["source_path"].tolist())
                known = known[known["source_digest"] == pd.Series(digests, known.index, dtype=object)]
            for source in _sources(known):
                del left[source]
        fresh, damaged = self._fresh(of, list(left.values()))
        parts = [part for part in (known, fresh) if part is not None and len(part)]
        frame = pd.concat(parts, ignore_index=True) if parts else fresh
        if len(of.names) > 1:
            # Two versions may have made the same evaluation: the first folder counts.
            frame = frame.sort_values("source_path").drop_duplicates("key", ignore_index=True)
        loose = len(fresh) + len(damaged) + (self._before.rows(of).loose if self._before else 0)
        return Rows(frame, damaged, loose)

    def _digest(self, path: str) -> str | None:
        try:
            return sha256(self.folder.read(path))
        except FileNotFoundError:
            return None

    def _copy(self, of: RowFolder) -> pd.DataFrame | None:
        if of.name not in self._copies:
            self._copies[of.name] = self._copied(of)
        return self._copies[of.name]

    def _copied(self, of: RowFolder) -> pd.DataFrame | None:
        """The rows of a compacted copy, if there is one, even if their files have changed."""
        for info in self.listed(copies.FOLDER):
            if copies.is_of(of.name, info.path):
                try:
                    return copies.read(of.name, info.path, self.folder.read(info.path))
                except (FileNotFoundError, rows.DamagedFileError, copies.OtherVersionError):
                    continue  # Replaced by another compaction, altered, or of another version.
        return None

    def _fresh(self, of: RowFolder, infos: Sequence[FileInfo]) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Rows from their own files, and the damaged files."""

        def read(info: FileInfo) -> tuple[FileInfo, pa.Table | None, str] | None:
            try:
                content = self.folder.read(info.path)
                row = rows.checked_row(content, stem(info.path))
                if info.path not in Address.of_row(row).rows:
                    return None  # A user's copy of it, or a path through a link.
                return info, row, sha256(content)
            except FileNotFoundError:
                return None  # Set aside since the listing.
            except rows.DamagedFileError:
                return info, None, ""

        found = [each for each in side_by_side(self.folder, read, infos) if each is not None]
        whole = [(info, table, digest) for info, table, digest in found if table is not None]
        frame = rows.frame([table for _, table, _ in whole])
        sources = [(*_source(info), digest) for info, _, digest in whole]
        for place, name in enumerate(copies.SOURCES):
            frame[name] = [source[place] for source in sources]
        return frame, tuple(info.path for info, table, _ in found if table is None)


def is_ours(path: str) -> bool:
    """Whether a path could have been made by `Address`."""
    return path.isascii() and path.isprintable() and "/." not in path


def side_by_side(folder: Folder, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Applies a reading function to items in parallel, in their order. The first error ends it."""
    if len(items) < 2:
        return [function(item) for item in items]
    executor = ThreadPoolExecutor(min(folder.readers, len(items)))
    try:
        return list(executor.map(function, items))
    finally:
        executor.shutdown(cancel_futures=True)


def _source(info: FileInfo) -> tuple[str, int, str]:
    """The listing of a file; equal at two moments if the file did not change in between."""
    return info.path, info.size, info.version


def _sources(frame: pd.DataFrame) -> list[tuple[str, int, str]]:
    columns = (frame[name].tolist() for name in ("source_path", "source_size", "source_version"))
    return list(zip(*columns, strict=True))
