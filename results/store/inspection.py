"""Compares every file of a store with its expected state, and reports damaged, inconsistent and stray files.

Nothing is changed. The inspection continues after a finding: all are reported, each with its consequence for
the next `run`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from results.store import copies, data_files, pilots, pruned, rows, running
from results.store.address import DATA, DATA_FOLDERS, EARLIER, EVALUATIONS, TRIALS, Address, stem, trial_key
from results.store.data_files import DIGEST_LENGTH, sha256
from results.store.errors import StoreError
from results.store.file_info import TEMPORARY, TEMPORARY_NAME, FileInfo
from results.store.finding import (
    DAMAGED,
    DAMAGED_CHECKPOINT,
    DAMAGED_COPY,
    DAMAGED_FAILURE,
    DAMAGED_PILOT,
    DAMAGED_PRUNED,
    DAMAGED_RUNNING,
    DIFFERING,
    FOREIGN,
    HALF_WRITTEN,
    LEFT_OVER,
    NEWER,
    NOT_FIRST,
    SET_ASIDE,
    STALE_COPY,
    STALE_RUNNING,
    UNKNOWN_TASK,
    UNREADABLE,
    WITHOUT_ROW,
    Finding,
    Kind,
)
from results.store.read_ahead import ReadAhead
from results.store.snapshot import OTHERS, is_ours, side_by_side
from results.store.snapshot import TRIALS as OF_TRIALS
from results.store.store import Store
from results.store.survey import CHECKPOINT_NAME, FAILURE_NAME
from trainables.errors import ConfigurationError
from trainables.trial import EVALUATION_LENGTH

OF_DATA = rf"(-[0-9a-f]{{{DIGEST_LENGTH}}})?\.parquet"
"""Ending of the names of data files; those of older stores have no digest."""

EVALUATION = rf"[0-9a-f]+-[0-9a-f]{{{EVALUATION_LENGTH}}}"
"""The key of an evaluation on another data set than the test set."""

NAMES = {
    TRIALS: re.compile(r"([0-9a-f]+)\.parquet"),
    EVALUATIONS: re.compile(rf"({EVALUATION})\.parquet"),
    EARLIER: re.compile(rf"({EVALUATION})\.parquet"),
    "predictions": re.compile(rf"({EVALUATION}|[0-9a-f]+){OF_DATA}"),
    "epochs": re.compile(rf"([0-9a-f]+){OF_DATA}"),
    "scored_predictions": re.compile(rf"({EVALUATION}){OF_DATA}"),
    "failures": FAILURE_NAME,
    "checkpoints": CHECKPOINT_NAME,
    copies.FOLDER: copies.NAME,
    pruned.FOLDER: pruned.NAME,
    pilots.FOLDER: re.compile(r".+\.parquet"),
    running.FOLDER: re.compile(r".+\.json"),
}
"""Names of the files of each kind. The first group in names of rows and data is the row's key."""

NOT_INSPECTED = ("reports", "tables", "tensorboard", "findings", "rescored")
"""Folders for human readers, and earlier findings."""


@dataclass
class Inspection:
    """The findings, and the extent of the inspection.

    Attributes:
        trials: Number of finished trials whose scores were recomputed.
        others: Number of their further evaluations whose scores were recomputed.
        steps: The steps of the inspection, each for one file, or for a trial with all its files.
    """

    store: Store
    findings: list[Finding] = field(default_factory=list)
    trials: int = 0
    others: int = 0
    steps: list[Callable[[], None]] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Number of findings of damaged or false files."""
        return sum(finding.kind.wrong for finding in self.findings)

    def by_kind(self) -> dict[Kind, list[Finding]]:
        """The findings by kind; damaged and false files come first."""
        found: dict[Kind, list[Finding]] = defaultdict(list)
        for finding in sorted(self.findings, key=lambda each: not each.kind.wrong):
            found[finding.kind].append(finding)
        return found

    def found(self, kind: Kind, path: str, detail: str = "") -> None:
        self.findings.append(Finding(kind, path, detail))


def inspection(store: Store) -> Inspection:
    """Lists a store; each of `steps` then inspects a part of it.

    Raises:
        StoreError: The store cannot be listed.
    """
    made = Inspection(store)
    infos = list(store.folder.list(""))
    _Planner(made, {info.path for info in infos}).plan(infos)
    for name in store.folder.odd_names:
        made.found(FOREIGN, name)
    return made


def inspect_again(store: Store, paths: Iterable[str]) -> Inspection:
    """Inspects files with earlier findings again, without listing the store.

    Args:
        paths: Paths from findings. Impossible ones are ignored.

    Raises:
        StoreError: The server is unavailable.
    """
    made = Inspection(store)
    _Planner(made, None).plan_again(paths)
    side_by_side(store.folder, lambda step: step(), made.steps)
    return made


def row_of(path: str) -> str | None:
    """The path of the row of a path to a row or its data; None for all other paths."""
    kind, _, rest = path.partition("/")
    folder, _, name = rest.rpartition("/")
    match = NAMES[kind].fullmatch(name) if kind in DATA_FOLDERS or kind in DATA else None
    if match is None or kind in DATA:
        return path if match else None
    of_trial = match[1] == trial_key(match[1])
    of = TRIALS if of_trial else EARLIER if kind in DATA[EARLIER].values() else EVALUATIONS
    return f"{of}/{folder}/{match[1]}.parquet"


def trial_row_of(row_path: str) -> str:
    """The row of the trial that the row of an evaluation belongs to."""
    folder = row_path.partition("/")[2].rpartition("/")[0]
    return f"{TRIALS}/{folder}/{key_of(row_path)}.parquet"


def key_of(row_path: str) -> str:
    """The key of the trial that a row, or a record of a failure, belongs to."""
    return trial_key(stem(row_path))


class _Planner:
    """The steps of an inspection.

    Args:
        listed: All paths in the store; None if it was not listed.
    """

    def __init__(self, made: Inspection, listed: Set[str] | None):
        self.made, self.listed = made, listed
        self.folder = made.store.folder
        self.read = self.folder.read
        self.order: list[str] = []
        """The files that the steps will read, if they were listed."""
        self.data: dict[str, list[str]] = defaultdict(list)
        """The listed data of each row, by the row's path."""
        self.checks: dict[str, Callable[[str], None]] = {
            "failures": self._failure,
            "checkpoints": self._checkpoint,
            pruned.FOLDER: lambda path: self._intact(path, DAMAGED_PRUNED, partial(pruned.checked, path)),
            copies.FOLDER: self._copy,
            pilots.FOLDER: lambda path: self._intact(path, DAMAGED_PILOT, pilots.read),
            running.FOLDER: lambda path: self._intact(path, DAMAGED_RUNNING, running.read),
        }

    def plan(self, infos: Collection[FileInfo]) -> None:
        paths: dict[str, list[str]] = defaultdict(list)
        for info in infos:
            kind, name = info.path.partition("/")[0] if "/" in info.path else "", info.path.rsplit("/", 1)[-1]
            if kind == "damaged":
                self.made.found(SET_ASIDE, info.path)
            elif kind == TEMPORARY:
                ours = TEMPORARY_NAME.fullmatch(info.path)
                self.made.found(HALF_WRITTEN if ours else FOREIGN, info.path)
            elif kind == running.FOLDER and not running.is_fresh(info.modified_ns):
                ours = running.NAME.fullmatch(info.path)
                self.made.found(STALE_RUNNING if ours else FOREIGN, info.path)
            elif kind in NAMES and NAMES[kind].fullmatch(name) and is_ours(info.path):
                paths[kind].append(info.path)
                if kind in DATA_FOLDERS and (row_path := row_of(info.path)):
                    self.data[row_path].append(info.path)
            elif kind not in NOT_INSPECTED:
                self.made.found(FOREIGN, info.path)
        self._plan_rows(paths[TRIALS], [*paths[EVALUATIONS], *paths[EARLIER]])
        self._stray(paths)
        for kind, check in self.checks.items():
            for path in paths[kind]:
                self.order.append(path)
                self._step(check, path)
        by_path = {info.path: info for info in infos}
        self.read = ReadAhead(self.folder, [by_path[path] for path in self.order if path in by_path]).read

    def plan_again(self, paths: Iterable[str]) -> None:
        of_rows: dict[str, set[str]] = defaultdict(set)
        for path in dict.fromkeys(paths):
            kind, name = path.partition("/")[0], path.rsplit("/", 1)[-1]
            if ".." in path.split("/") or kind not in NAMES or not NAMES[kind].fullmatch(name):
                continue
            if row_path := row_of(path):
                of_rows[row_path.partition("/")[0]].add(row_path)
            else:
                self._step(self.checks[kind], path)
        others = of_rows[EVALUATIONS] | of_rows[EARLIER]
        self._plan_rows(sorted(of_rows[TRIALS] | {trial_row_of(path) for path in others}), sorted(others))

    def _plan_rows(self, trials: Iterable[str], others: Iterable[str]) -> None:
        of_trials: dict[str, list[str]] = defaultdict(list)
        for path in others:
            of_trials[trial_row_of(path)].append(path)
        for path in dict.fromkeys([*trials, *of_trials]):
            for row_path in (path, *of_trials[path]):
                data = self.data.get(row_path, ())
                self.order += [
                    row_path,
                    *sorted(data, key=lambda each: DATA_FOLDERS.index(each.partition("/")[0])),
                ]
            self._step(self._trial, path, of_trials[path])

    def _step(self, check: Callable[..., None], path: str, *more: Any) -> None:
        def step() -> None:
            try:
                check(path, *more)
            except FileNotFoundError:
                return  # A driver deleted it after the listing.
            except StoreError as error:
                if not self.folder.is_local:
                    raise  # The server is unavailable, for all files.
                self.made.found(UNREADABLE, path, str(error))

        self.made.steps.append(step)

    def _stray(self, paths: Mapping[str, list[str]]) -> None:
        """Finds data without rows, and checkpoints of finished trials."""
        committed = {path for kind in DATA for path in paths[kind]}
        for row_path, data in self.data.items():
            if row_path not in committed:
                for path in data:
                    self.made.found(WITHOUT_ROW, path)
        finished = {stem(path) for path in paths[TRIALS]}
        for path in paths["checkpoints"]:
            if path.split("/")[1] in finished:
                self.made.found(LEFT_OVER, path)

    def _trial(self, path: str, others: Iterable[str]) -> None:
        row, whole = self._row_and_data(path)
        own = whole.get("predictions")
        scores: Mapping[str, float] = {}
        if row is not None and own is not None:
            from results.scoring.commit import trial_differs

            scores, provenance = dict(row["scores"][0].as_py()), dict(row["provenance"][0].as_py())
            self.made.trials += 1
            self._differing(path, lambda: trial_differs(scores, provenance, own))
        for each in others:
            self._other(each, own, scores)

    def _other(self, path: str, own: pa.Table | None, scores: Mapping[str, float]) -> None:
        """An evaluation on another data set than the test set.

        Args:
            own: The trial's predictions on its own data.
            scores: The trial's scores on its own data.
        """
        row, whole = self._row_and_data(path)
        predictions = whole.get("predictions")
        if row is None or predictions is None or own is None:
            return
        from results.scoring.commit import other_differs

        committed, provenance = dict(row["scores"][0].as_py()), dict(row["provenance"][0].as_py())
        self.made.others += 1
        self._differing(path, lambda: other_differs(committed, provenance, scores, own, predictions))

    def _differing(self, path: str, differing: Callable[[], Mapping[str, tuple[float, float]]]) -> None:
        try:
            found = differing()
        except ConfigurationError as error:
            self.made.found(UNKNOWN_TASK, path, str(error))
            return
        except (KeyError, ValueError) as error:
            # Intact bytes that are not predictions.
            self.made.found(DAMAGED, path, f"it cannot be scored: {error}")
            return
        for name, (committed, computed) in found.items():
            self.made.found(DIFFERING, path, f"{name} is {committed}, but its predictions give {computed}")

    def _row_and_data(self, path: str) -> tuple[pa.Table | None, dict[str, pa.Table | None]]:
        """A row and its data by kind; None for damaged ones."""
        row = self._row(path)
        return row, {} if row is None else self._data_of(path, row)

    def _row(self, path: str) -> pa.Table | None:
        """An intact row; None also if it was deleted since the listing, or is misplaced."""
        try:
            row = rows.checked_row(self.read(path), stem(path))
        except FileNotFoundError:
            return None
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED, path, str(error))
            return None
        except rows.NewerFormatError as error:
            self.made.found(NEWER, path, str(error))
            return None
        places = Address.of_row(row).rows
        if path in places:
            return row
        for each in (path, *self.data.get(path, ())):
            self.made.found(FOREIGN, each, f"a copy of {places[0]}")
        return None

    def _data_of(self, row_path: str, row: pa.Table) -> dict[str, pa.Table | None]:
        """The data files of a committed row by kind; None for damaged ones."""
        found, named = {}, set()
        for kind in DATA[row_path.partition("/")[0]]:
            digest = row[data_files.digest_column(kind)][0].as_py()
            path, found[kind] = self._data(row_path, kind, digest)
            named.add(path)
        for path in self.data.get(row_path, ()):
            if path not in named and self.folder.exists(path):
                self.made.found(NOT_FIRST, path)
        return found

    def _data(self, row_path: str, kind: str, digest: str) -> tuple[str, pa.Table | None]:
        path = data_files.listed_path(row_path, kind, digest, self.listed or ())
        try:
            if self.listed is None:
                path, content = data_files.read(self.folder, row_path, kind, digest)
            else:
                content = self.read(path)
        except FileNotFoundError:
            if self.folder.exists(row_path):
                self.made.found(DAMAGED, path, "it is missing, but its row exists")
            return path, None
        if sha256(content) != digest:
            self.made.found(DAMAGED, path, "its bytes are not the committed bytes")
            return path, None
        try:
            return path, rows.from_parquet(content)
        except rows.DamagedFileError as error:
            # It was committed in this state.
            self.made.found(DAMAGED, path, str(error))
            return path, None

    def _failure(self, path: str) -> None:
        name = FAILURE_NAME.fullmatch(path.rsplit("/", 1)[-1])
        try:
            fields = rows.failure_fields(self.read(path))
            if name is None or (fields["key"], fields["attempt"]) != (name[1], int(name[2])):
                raise rows.DamagedFileError("its trial or attempt is not that of its name")
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED_FAILURE, path, str(error))

    def _checkpoint(self, path: str) -> None:
        if not path.endswith(f"-{sha256(self.read(path))[:DIGEST_LENGTH]}.pt"):
            self.made.found(DAMAGED_CHECKPOINT, path, "its bytes do not match the digest in its name")

    def _copy(self, path: str) -> None:
        of = next((of for of in (OF_TRIALS, OTHERS) if copies.is_of(of.name, path)), None)
        if of is None:
            self.made.found(STALE_COPY, path)
            return
        try:
            copies.read(of.name, path, self.read(path))
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED_COPY, path, str(error))
        except copies.OtherVersionError as error:
            self.made.found(STALE_COPY, path, str(error))

    def _intact(self, path: str, kind: Kind, read: Callable[[bytes], object]) -> None:
        try:
            read(self.read(path))
        except (rows.DamagedFileError, ValueError) as error:
            self.made.found(kind, path, str(error))
