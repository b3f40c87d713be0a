"""The store: what each trial predicted and scored, one immutable Parquet file per trial and kind.

    predictions/<data set>/<model>/<loss>/<key>-<digest>.parquet   logits, labels and sample ids of both parts
    epochs/<data set>/<model>/<loss>/<key>-<digest>.parquet        the learning curves, one row an epoch
    trials/<data set>/<model>/<loss>/<key>.parquet        one row: identity, scores, provenance, digests
    failures/<data set>/<model>/<loss>/<key>-<n>.parquet  one row: why attempt n failed
    scored/, scored_predictions/                          of sets out of distribution (scored_sets.py)
    checkpoints/<key>/<epoch>-<digest>.pt                 where an interrupted trial goes on from
    pilots/...                                            what an epoch was measured to cost (pilots.py)
    damaged/...                                           files that were found altered, set aside
    compacted/<format>-<digest>.parquet                   all rows of trials/ in one file, for fast reading

The row in trials/ is written last, whole, and never replaced: it is the commit. No database, no locks: of two
writers of one key the first commit stands, with its own data, in files named by digest (data_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from results import data_files, rows
from results.address import Address
from results.data_files import sha256
from results.file_info import FileInfo
from results.files import Folder
from trainables.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

READERS = 4
"""Threads that read small files at once: more only wait for each other's Python."""

FAILURE_NAME = re.compile(r"([0-9a-f]+)-([0-9]+)\.parquet")
COMPACTED_NAME = re.compile(r"([0-9]+)-([0-9a-f]+)\.parquet")

SOURCE_COLUMNS = ("source_path", "source_size", "source_modified_ns")
"""Columns of the compacted copy that tell which file, in which state, each row was read from."""

FailureClass = Literal["preempted", "out of memory", "diverged", "timed out", "crashed", "bug"]


class State(StrEnum):
    """Where a trial stands. The store knows all but `RUNNING`, which `results.running` tells."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSING = "missing"


@dataclass(frozen=True)
class Failure:
    """One failed attempt at a trial."""

    key: str
    attempt: int
    failure_class: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Survey:
    """What the store says of a list of trials, by key.

    Attributes:
        damaged: The files of a trial that are not what was committed.
        leftover: Finished trials that still have checkpoints: something died before it could tidy up.
    """

    states: Mapping[str, State]
    failures: Mapping[str, Failure]
    damaged: Mapping[str, tuple[str, ...]]
    leftover: tuple[str, ...]

    def count(self, state: State) -> int:
        return sum(found == state for found in self.states.values())


class Store:
    """The results of any number of sweeps, in a folder or under an object-store URI.

    Raises:
        StoreError: A place that cannot be read or written, in one line.
    """

    def __init__(self, uri: str):
        self.uri = uri
        self.folder = Folder(uri)

    # Writing

    def commit(
        self,
        trial: Trial,
        predictions: pa.Table,
        epochs: pa.Table,
        scores: Mapping[str, float],
        measurements: Mapping[str, float],
        provenance: Mapping[str, str],
    ) -> bool:
        """Writes a finished trial: data first, then the row that makes it count.

        Returns:
            False if the trial was committed before, by whomever: that commit stands.
        """
        row_path = Address.of(trial).path("trials")
        if self.folder.exists(row_path):
            return False
        data = {"predictions": rows.to_parquet(predictions), "epochs": rows.to_parquet(epochs)}
        digests = {f"{kind}_digest": sha256(content) for kind, content in data.items()}
        row = rows.trial_row(trial, scores, measurements, provenance, **digests)
        return data_files.commit(self.folder, row_path, rows.to_parquet(row), data)

    def record_failure(
        self, trial: Trial, failure_class: FailureClass, message: str, traceback: str, host: str
    ) -> Failure:
        """Writes down why an attempt at a trial failed. Attempts count from 1."""
        attempt = 1
        while True:
            row = rows.failure_row(trial, attempt, failure_class, message, traceback, host)
            path = Address.of(trial).path("failures", f"-{attempt}")
            if self.folder.write(path, rows.to_parquet(row), exclusive=True):
                return Failure(trial.key, attempt, failure_class, message, traceback)
            attempt += 1

    def set_aside(self, paths: Iterable[str]) -> None:
        """Moves files out of the way, keeping them for whoever wants to know what happened."""
        for path in paths:
            target, number = f"damaged/{path}", 1
            while self.folder.exists(target):
                target, number = f"damaged/{path}.{number}", number + 1
            self.folder.move(path, target)

    def compact(self) -> int:
        """Gathers all rows of trials/ in one file, so that tables of thousands of trials come up at once.

        The one-row files stay the record and this a copy of them: it may be deleted, and a kill at any
        moment leaves the old copy or the new. Returns the number of rows in it.
        """
        replaced = list(self.folder.list("compacted"))
        loose, compacted = self._split_rows()
        read, _ = self.read_rows(loose)
        fresh = rows.frame([table for _, table in read])
        for column in SOURCE_COLUMNS:
            fresh[column] = [getattr(info, column.removeprefix("source_")) for info, _ in read]
        frame = _joined(compacted, fresh)
        if len(frame) == 0:
            return 0
        content = rows.to_parquet(pa.Table.from_pandas(frame, preserve_index=False))
        path = _compacted_path(content)
        self.folder.write(path, content)
        # Only what was there before: two that compact at once must not delete each other's.
        for info in replaced:
            if info.path != path:
                self.folder.delete(info.path)
        return len(frame)

    # Reading

    def trials(self, like: Iterable[Trial] | None = None) -> pd.DataFrame:
        """One row per finished trial: identity, `test_*` and `validation_*` scores, temperatures, provenance.

        Fractions, and nats for NLL. Rows that are damaged are left out, named in `attrs["damaged"]`.

        Args:
            like: Only trials of the data sets and models of these; None for all there are.
        """
        loose, compacted = self._split_rows(like)
        read, damaged = self.read_rows(loose)
        fresh = rows.frame([table for _, table in read])
        frame = _joined(compacted, fresh).drop(columns=list(SOURCE_COLUMNS), errors="ignore")
        frame.attrs["damaged"] = damaged
        frame.attrs["loose_rows"] = len(loose)
        return frame

    def predictions(self, address: Address) -> pa.Table:
        """split, sample_id, label and logits [K] of each validation and test sample of a finished trial."""
        return data_files.committed(self.folder, address.path("trials"), address.key, "predictions")

    def epochs(self, address: Address) -> pa.Table:
        """The learning curves of a finished trial, one row an epoch."""
        return data_files.committed(self.folder, address.path("trials"), address.key, "epochs")

    def is_done(self, trial: Trial) -> bool:
        """Whether the trial's row is there: a quick look, without checking the digests."""
        return self.folder.exists(Address.of(trial).path("trials"))

    def failure(self, trial: Trial) -> Failure | None:
        """The latest failed attempt at a trial."""
        folder = Address.of(trial).path("failures").rpartition("/")[0]
        latest = _latest(self.files(folder)).get(trial.key)
        return self._failure(trial.key, *latest) if latest else None

    def survey(self, trials: Iterable[Trial]) -> Survey:
        """Where each trial stands. A trial is done only if its row and data are what was committed.

        On a file system that is what their digests say. In an object store, which digests its objects itself,
        data only has to be there: it would all have to be fetched, each time. `store verify` does that.
        """
        wanted = list(trials)
        # By key alone: a loss's label may have changed since the trial was committed, and is no part of what
        # it is. What other sweeps left in other folders is not even listed.
        cells = dict.fromkeys(Address.of(trial).cell for trial in wanted)
        committed = {_key_of(info.path): info.path for info in self._files_of("trials", cells)}
        failed = _latest(self._files_of("failures", cells))
        checkpointed = {info.path.split("/")[1] for info in self.folder.list("checkpoints")}
        states: dict[str, State] = {}
        damaged: dict[str, tuple[str, ...]] = {}
        failures: dict[str, Failure] = {}
        to_check = [committed[trial.key] for trial in wanted if trial.key in committed]
        present = None if self.folder.is_local else self._data_of(cells)
        with ThreadPoolExecutor(READERS) as executor:
            checked = executor.map(lambda path: self._damage(path, present), to_check)
            for path, bad in zip(to_check, checked, strict=True):
                if bad:
                    damaged[_key_of(path)] = bad
                else:
                    states[_key_of(path)] = State.DONE
        for trial in wanted:
            if trial.key in states:
                continue
            if trial.key in failed:
                failures[trial.key] = self._failure(trial.key, *failed[trial.key])
            own_fault = trial.key in failures and failures[trial.key].failure_class != "preempted"
            if own_fault:
                states[trial.key] = State.FAILED
            elif trial.key in checkpointed:
                states[trial.key] = State.INTERRUPTED
            else:
                states[trial.key] = State.MISSING
        leftover = tuple(t.key for t in wanted if t.key in checkpointed and states[t.key] == State.DONE)
        return Survey(states, failures, damaged, leftover)

    # Internals

    def files(self, kind: str) -> list[FileInfo]:
        """The Parquet files of a kind, without what operating systems and copying programs leave about."""
        infos = self.folder.list(kind)
        return [i for i in infos if i.path.endswith(".parquet") and "/." not in i.path]

    def _files_of(self, kind: str, cells: Iterable[str]) -> list[FileInfo]:
        return [info for cell in cells for info in self.files(f"{kind}/{cell}")]

    def _data_of(self, cells: Iterable[str]) -> set[str]:
        cells = list(cells)
        return {info.path for kind in ("predictions", "epochs") for info in self._files_of(kind, cells)}

    def _damage(self, row_path: str, present: Collection[str] | None) -> tuple[str, ...]:
        """The files of a committed trial that must be set aside; none if all are what was committed.

        Args:
            present: Data files that are there; None to read them all.
        """
        try:
            row = rows.checked_row(self.folder.read(row_path), _key_of(row_path))
        except (FileNotFoundError, rows.DamagedFileError):
            return (row_path,)
        bad = []
        for kind in ("predictions", "epochs"):
            digest = row[f"{kind}_digest"][0].as_py()
            path = data_files.listed_path(row_path, kind, digest, present or ())
            if present is not None:
                whole = path in present
            else:
                try:
                    path, content = data_files.read(self.folder, row_path, kind, digest)
                    whole = sha256(content) == digest
                except FileNotFoundError:
                    whole = False
            if not whole:
                bad.append(path)
        # Without its data the row counts for nothing.
        return (*bad, row_path) if bad else ()

    def _failure(self, key: str, attempt: int, path: str) -> Failure:
        try:
            fields = rows.failure_fields(self.folder.read(path))
            if (fields["key"], fields["attempt"]) == (key, attempt):
                return Failure(**fields)
        except (FileNotFoundError, rows.DamagedFileError):
            pass
        return Failure(key, attempt, "bug", f"the record {path} is damaged", "")

    def _split_rows(self, like: Iterable[Trial] | None = None) -> tuple[list[FileInfo], pd.DataFrame | None]:
        """The row files to read one by one, and the rows that the compacted copy has of the others."""
        cells = None if like is None else dict.fromkeys(Address.of(trial).cell for trial in like)
        infos = self.files("trials") if cells is None else self._files_of("trials", cells)
        present = {info.path: info for info in infos}
        for info in self.folder.list("compacted"):
            try:
                content = self.folder.read(info.path)
            except FileNotFoundError:
                continue  # replaced by another compaction
            if info.path != _compacted_path(content):
                continue
            frame = rows.from_parquet(content).to_pandas()
            sources = zip(*(frame[column] for column in SOURCE_COLUMNS), strict=True)
            current = [present.get(source[0]) == FileInfo(*source) for source in sources]
            frame = frame[current]
            known = set(frame["source_path"])
            return [info for path, info in present.items() if path not in known], frame
        return list(present.values()), None

    def read_rows(
        self, infos: Sequence[FileInfo], schema: pa.Schema = rows.TRIAL_SCHEMA
    ) -> tuple[list[tuple[FileInfo, pa.Table]], list[str]]:
        """Each file with its row, and the files that are damaged."""

        def read(info: FileInfo) -> tuple[pa.Table | None, bool]:
            try:
                return rows.checked_row(self.folder.read(info.path), _key_of(info.path), schema), False
            except FileNotFoundError:
                return None, False  # set aside since it was listed
            except rows.DamagedFileError:
                return None, True

        with ThreadPoolExecutor(READERS) as executor:
            found = list(zip(infos, executor.map(read, infos), strict=True))
        read_rows = [(info, table) for info, (table, _) in found if table is not None]
        return read_rows, [info.path for info, (_, damaged) in found if damaged]


def _latest(failures: Iterable[FileInfo]) -> dict[str, tuple[int, str]]:
    """Number and file of the latest failed attempt at each trial that has one, by key."""
    latest: dict[str, tuple[int, str]] = {}
    for info in failures:
        name = FAILURE_NAME.fullmatch(info.path.rsplit("/", 1)[1])
        if name:
            key, attempt = name[1], int(name[2])
            latest[key] = max(latest.get(key, (0, "")), (attempt, info.path))
    return latest


def _key_of(path: str) -> str:
    return path.rsplit("/", 1)[1].removesuffix(".parquet")


def _compacted_path(content: bytes) -> str:
    # A copy made by another version of the program may have rows of another format.
    return f"compacted/{rows.FORMAT}-{sha256(content)}.parquet"


def _joined(compacted: pd.DataFrame | None, fresh: pd.DataFrame) -> pd.DataFrame:
    """Both in one order of rows and columns, however the rows are spread over files."""
    import pandas as pd

    parts = [part for part in (compacted, fresh) if part is not None and len(part)]
    frame = pd.concat(parts, ignore_index=True) if parts else fresh
    frame = frame.sort_values(["dataset", "model", "loss", "seed", "key"], ignore_index=True)
    first = [name for name in rows.TRIAL_SCHEMA.names if name in frame.columns]
    return frame[[*first, *sorted(set(frame.columns) - set(first))]]
