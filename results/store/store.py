"""The store: predictions and scores of trials, one immutable Parquet file per trial and kind.

    predictions/<data set>/<model>/<loss>/<key>-<digest>.parquet   logits, labels and sample ids
    epochs/<data set>/<model>/<loss>/<key>-<digest>.parquet        the learning curves, one row per epoch
    trials/<data set>/<model>/<loss>/<key>.parquet        one row: identity, scores, provenance, digests
    evaluations/<data set>/<model>/<loss>/<key>-<set>.parquet      such a row for each further evaluation
    failures/<data set>/<model>/<loss>/<key>-<n>.parquet  one row: why attempt n failed
    checkpoints/<key>/<epoch>-<digest>.pt                 resume points of interrupted trials
    pilots/...                                            measured costs of an epoch (pilots.py)
    damaged/...                                           altered files, set aside
    compacted/<folder>-<format>-<digest>.parquet          all rows of a folder in one file (copies.py)
    rescored/<scorer>/<digest>.parquet                    scores missing from rows (scoring/layer.py)
    rescored/evidence-<digest>/<digest>.parquet           of rows of tables (tables/kept_evidence.py)

A row is written after its data, atomically, and never replaced: it is the commit. It needs neither a
database nor locks. A row in trials/ commits the trial, with its evaluation on the test set; a row in
evaluations/ commits a further evaluation, with data in predictions/ too. Older stores have further
evaluations in scored/ and scored_predictions/, which are only read. Of two writers of one key the first
commit stands, with its own data, in files named by digest (data_files.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from results.store import copies, data_files, rows
from results.store.address import Address
from results.store.data_files import sha256
from results.store.errors import StoreError
from results.store.files import Folder
from results.store.place import redacted
from results.store.snapshot import OTHERS, TRIALS, RowFolder, Snapshot
from results.store.survey import Failure, Survey, survey
from results.store.tidying import Tidying
from trainables.trial import Component, Trial

if TYPE_CHECKING:
    import pandas as pd

FailureClass = Literal["preempted", "out of memory", "diverged", "timed out", "crashed", "bug"]


COPIED_FROM = 1000
"""From this number on, reading the rows of a folder one by one takes over a second."""

ONE_IN = 32
"""One commit in so many, by its key, looks for rows to copy."""

COPIED_BY_COMMITS_FROM = 100
"""Number of loose rows that such a commit copies."""


class Store:
    """The results of any number of sweeps, in a folder or under an object-store URI.

    Raises:
        StoreError: The address is invalid.
    """

    def __init__(self, uri: str):
        self.uri = uri
        self.folder = Folder(uri)
        self.tidying = Tidying(self.folder)

    def check_place(self) -> None:
        """Raises StoreError if the folder or bucket does not exist, unlike an empty store."""
        if not self.folder.place_exists():
            raise StoreError(
                f"there is no store {redacted(self.uri)}: check its name, or run a sweep into it first."
            )

    # Writing

    def commit(
        self,
        trial: Trial,
        predictions: pa.Table,
        scores: Mapping[str, float],
        provenance: Mapping[str, str],
        *,
        epochs: pa.Table | None = None,
        measurements: Mapping[str, float] | None = None,
        evaluation: Component | None = None,
    ) -> bool:
        """Writes an evaluation of a finished trial: first the data, then the row that commits it.

        Args:
            epochs: The learning curves, for the test set alone.
            evaluation: The data set; None for the test set, whose row commits the trial.

        Returns:
            False if it was committed before, by any process: that commit stands.
        """
        data = {"predictions": rows.to_parquet(predictions)}
        if epochs is not None:
            data["epochs"] = rows.to_parquet(epochs)
        digests = {data_files.digest_column(kind): sha256(content) for kind, content in data.items()}
        row = rows.row_of(trial, evaluation, scores, measurements or {}, provenance, digests)
        address = Address.of(trial, evaluation)
        committed = data_files.commit(self.folder, address.row, rows.to_parquet(row), data)
        if int(trial.key[:8], 16) % ONE_IN == 0:
            # A driver may be killed before its end, and `trial` has none: readers never meet thousands.
            with contextlib.suppress(StoreError):
                snapshot = self.snapshot()
                snapshot.evaluations()
                self.copy_loose(snapshot, COPIED_BY_COMMITS_FROM)
        return committed

    def record_failure(
        self, trial: Trial, failure_class: FailureClass, message: str, traceback: str, host: str
    ) -> Failure:
        """Records why an attempt at a trial failed. Attempts count from 1."""
        attempt = 1
        while True:
            row = rows.failure_row(trial, attempt, failure_class, message, traceback, host)
            path = Address.of(trial).path("failures", f"-{attempt}")
            if self.folder.write(path, rows.to_parquet(row), exclusive=True):
                return Failure(trial.key, attempt, failure_class, message, traceback)
            attempt += 1

    def set_aside(self, paths: Iterable[str]) -> None:
        """Moves files out of the way, and keeps them for investigation."""
        for path in paths:
            target, number = f"damaged/{path}", 1
            while self.folder.exists(target):
                target, number = f"damaged/{path}.{number}", number + 1
            self.folder.move(path, target)

    def compact(self) -> int:
        """Copies all rows into one file per folder, so that tables of thousands of trials load fast.

        The one-row files remain the record: the copy may be deleted at any time, and a kill at any moment
        leaves the old copy or the new one. Returns the number of trials in it.
        """
        snapshot = self.snapshot()
        listed = (info.path for info in snapshot.listed(copies.FOLDER))
        replaced = {path for path in listed if copies.NAME.fullmatch(path.rsplit("/", 1)[1])}
        self._copy(snapshot, (TRIALS, OTHERS), replaced)
        return len(snapshot.rows(TRIALS).frame)

    def copy_loose(self, snapshot: Snapshot, many: int | None = None) -> int:
        """Adds to the compacted copy the rows that a snapshot read one by one, if they are many.

        Returns the number of rows that are still not in a copy: those that are few, or of a read-only store.
        """
        if snapshot.loose >= (many or (COPIED_FROM if self.folder.is_local else self.folder.readers)):
            folders = [of for of in (TRIALS, OTHERS) if snapshot.loose_of(of)]
            listed = [info.path for info in snapshot.listed(copies.FOLDER)]
            replaced = {path for path in listed for of in folders if copies.is_of(of.name, path)}
            with contextlib.suppress(StoreError):
                self._copy(snapshot, folders, replaced)
                if self.folder.is_local:
                    # A command that only reads leaves no empty folder.
                    self.folder.delete_stale_temporaries()
                return 0
        return snapshot.loose

    def _copy(self, snapshot: Snapshot, folders: Iterable[RowFolder], replaced: Set[str]) -> None:
        made = set()
        for of in folders:
            frame = snapshot.known(of)
            if len(frame):
                content = copies.written(frame)
                made.add(path := copies.path(of.name, content))
                if path not in replaced:
                    self.folder.write(path, content)
        # Only earlier copies: two concurrent compactions must not delete each other's.
        self.tidying.delete(replaced - made)

    # Reading

    def snapshot(self, like: Iterable[Trial] | None = None, *, thorough: bool = False) -> Snapshot:
        """The current state of the store, for several queries without reading anything twice."""
        return Snapshot(self.folder, like, thorough=thorough)

    def trials(self, like: Iterable[Trial] | None = None) -> pd.DataFrame:
        """Like `Snapshot.trials`, for the current state."""
        return self.snapshot(like).trials()

    def survey(self, trials: Iterable[Trial]) -> Survey:
        """Like `survey.survey`, for the current state."""
        listed = list(trials)
        return survey(self.snapshot(listed, thorough=True), listed)

    def predictions(self, address: Address) -> pa.Table:
        """split, sample_id, label and logits [K] of each sample of an evaluation.

        The test set's have the samples of the validation part too.

        Raises:
            StoreError: They are missing, damaged or unreadable.
        """
        return data_files.committed(self.folder, address, "predictions")

    def epochs(self, address: Address) -> pa.Table:
        """The learning curves of a finished trial, one row per epoch."""
        return data_files.committed(self.folder, address, "epochs")

    def is_done(self, trial: Trial) -> bool:
        """Whether all rows of a trial exist: a quick look, without checking the digests."""
        return self.folder.exists(Address.of(trial).row) and not self.missing_evaluations(trial)

    def missing_evaluations(self, trial: Trial) -> list[Component]:
        """The evaluations of a trial, beside that on the test set, without a row."""
        missing = {each: Address.of(trial, each).rows for each in trial.evaluations}
        for position in range(len(OTHERS.names)):
            if missing:
                # One request, since a sweep may have a hundred evaluations.
                folder = next(iter(missing.values()))[position].rpartition("/")[0]
                there = {info.path for info in self.folder.list(folder)}
                missing = {each: paths for each, paths in missing.items() if paths[position] not in there}
        return list(missing)
