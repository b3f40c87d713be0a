"""Scores that rows lack: any metric under any calibrator, computed from stored logits and kept in the store.

    rescored/<metric>-<calibrator>-<digest>/<digest of the file>.parquet   one line per trial and evaluation

A line has the key of an evaluation's row, and the name of the evaluation: `validation` and `test` for the
trial's own data, else the label of the data set. The first digest is the scorer's: versions, parameters and
source of metric and calibrator. Scores computed by other code are never read, and deleted once the scorer's
present code has computed its own. rescored/ may be deleted as a whole, and `calibsweep store rescore`
recreates it; committed rows never change.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from results.scoring.scores import UNCALIBRATED, Score
from results.store import rows
from results.store.address import TEST, Address
from results.store.data_files import sha256
from results.store.files import Folder
from results.store.snapshot import side_by_side
from trainables import source
from trainables.catalogue import CALIBRATORS, METRICS
from trainables.metrics import parsed
from trainables.registry import Registry
from trainables.trial import digest

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "rescored"
OWN = ("validation", TEST)
"""The evaluations of a trial on its own data, whose predictions are in one file."""

DIGEST_LENGTH = 20

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("predictions_digest", pa.string()),
        ("evaluation", pa.string()),
        ("value", pa.float64()),
    ]
)
"""Schema of a file. A value is valid only for the predictions with this digest, from `digests_of`."""


@dataclass(frozen=True)
class Line:
    """One score of one evaluation, in the unit of the metric; NaN if undefined."""

    key: str
    predictions_digest: str
    evaluation: str
    value: float


@dataclass(frozen=True)
class Scorer:
    """A metric under a calibrator, by name.

    Raises:
        ConfigurationError: From `folder`, if a name does not exist.
    """

    metric: str
    calibrator: str = UNCALIBRATED

    @functools.cached_property
    def folder(self) -> str:
        """The folder of its scores in a store."""
        name, bins = parsed(self.metric)
        made_of = {
            "metric": {**_identity(METRICS, name), **({} if bins is None else {"bins": bins})},
            "calibrator": _identity(CALIBRATORS, self.calibrator),
        }
        return f"{FOLDER}/{self.metric}-{self.calibrator}-{digest(made_of)[:DIGEST_LENGTH]}"

    @property
    def against_test(self) -> bool:
        """Whether it compares other data with the test set."""
        return METRICS[parsed(self.metric)[0]].spec.against_test

    @property
    def one_vs_all(self) -> bool:
        """Whether it measures each class against all others."""
        return METRICS[parsed(self.metric)[0]].spec.one_vs_all

    @property
    def needs_class_counts(self) -> bool:
        """Whether it depends on the class counts of the training part."""
        metric, calibrator = METRICS[parsed(self.metric)[0]], CALIBRATORS[self.calibrator]
        return metric.spec.class_counts or calibrator.spec.class_counts

    def score(self, evaluation: str) -> Score:
        return Score(evaluation, self.metric, self.calibrator)


def _identity(registry: Registry[Any], name: str) -> dict[str, Any]:
    entry = registry[name]
    return {
        "component": entry.component,
        "version": entry.version,
        "params": registry.resolve(name),
        # The component's own file, from any source, and our modules that it imports.
        "source": [entry.source_digest, source.digest(entry.module)],
    }


def read(folder: Folder, scorer: Scorer) -> dict[tuple[str, str, str], float]:
    """The stored values of a scorer, by key, digest of the predictions and evaluation.

    Raises:
        StoreError: The store cannot be read.
    """

    def lines(path: str) -> list[tuple[Any, ...]]:
        try:
            table = rows.fitted(_table(path, folder.read(path)), SCHEMA)
            return list(zip(*(table[name].to_pylist() for name in SCHEMA.names), strict=True))
        except (FileNotFoundError, rows.DamagedFileError, pa.ArrowException, ValueError):
            return []  # Merged with others since the listing, or damaged: it is quickly recomputed.

    paths = [info.path for info in folder.list(scorer.folder)]
    found = [line for each in side_by_side(folder, lines, paths) for line in each]
    return {(key, of, evaluation): value for key, of, evaluation, value in found if value is not None}


def _table(path: str, content: bytes) -> pa.Table:
    if not path.endswith(f"/{sha256(content)}.parquet"):
        raise rows.DamagedFileError("its bytes do not match the digest in its name")
    return rows.from_parquet(content)


def write(folder: Folder, scorer: Scorer, lines: Iterable[Line]) -> str:
    """Adds scores to the stored ones. Returns the path of their file.

    Raises:
        StoreError: The store cannot be written.
    """
    columns = [(line.key, line.predictions_digest, line.evaluation, line.value) for line in lines]
    ordered = zip(*sorted(columns, key=lambda line: line[:3]), strict=True)
    content = rows.to_parquet(pa.table([list(column) for column in ordered], schema=SCHEMA))
    folder.write(path := f"{scorer.folder}/{sha256(content)}.parquet", content)
    return path


def merge(folder: Folder, scorer: Scorer) -> None:
    """Merges all files of a scorer into one, so that thousands of trials can be read at once.

    A kill may leave files with duplicate scores. Of two concurrent merges, neither deletes a file that it has
    not read, except files whose scores the other has just written again.

    Raises:
        StoreError: The store cannot be written.
    """
    before = [info.path for info in folder.list(scorer.folder)]
    if len(before) < 2:
        return
    whole = write(folder, scorer, (Line(*place, value) for place, value in read(folder, scorer).items()))
    for path in before:
        if path != whole:
            folder.delete(path)


def delete_outdated(folder: Folder, scorers: Iterable[Scorer]) -> int:
    """Deletes scores that other code computed for these scorers: nothing reads them.

    Returns:
        The number of deleted folders, one for each scorer and its code.

    Raises:
        StoreError: The store cannot be read or written.
    """
    current = {scorer.folder.rpartition("-")[0]: scorer.folder for scorer in scorers}
    outdated = set()
    for info in list(folder.list(FOLDER)):
        found = info.path.rpartition("/")[0]
        if current.get(found.rpartition("-")[0], found) != found:
            folder.delete(info.path)
            outdated.add(found)
    return len(outdated)


@dataclass(frozen=True)
class Filled:
    """Evaluations with the requested scores.

    Attributes:
        frame: The given frame, with the layer's values where rows have none.
        missing: Number of trials with an evaluation without a value in its row or in the layer, by scorer.
    """

    frame: pd.DataFrame
    missing: Mapping[Scorer, int]


def filled(
    folder: Folder, frame: pd.DataFrame, scores: Iterable[Score], keys: Collection[str] | None = None
) -> Filled:
    """Fills missing scores of rows from the layer.

    Args:
        frame: From `Snapshot.evaluations()`.
        scores: The required scores.
        keys: Keys of the evaluations that need them; None for all.

    Raises:
        StoreError: The store cannot be read.
    """
    requested = [True] * len(frame) if keys is None else [key in keys for key in frame["key"]]
    changed: dict[str, list[float]] = {}
    missing: dict[Scorer, int] = {}
    digests: list[str] = []
    for score in scores:
        values = _column(frame, score.column)
        empty = [row for row, value in enumerate(values) if value != value and requested[row]]
        if not empty:
            continue
        digests = digests or digests_of(frame)
        scorer = Scorer(score.metric, score.calibrator)
        kept = read(folder, scorer)
        on = frame["evaluation"] if score.evaluation == TEST else [score.evaluation] * len(frame)
        places = list(zip(frame["key"], digests, on, strict=True))
        unknown = [row for row in empty if places[row] not in kept]
        for row in empty:
            values[row] = kept.get(places[row], values[row])
        # A row may record that a score is undefined: accuracy at confidence, without confident samples.
        if score.column in frame:
            recorded = _recorded(folder, frame, unknown, score.column)
            unknown = [row for row, has in zip(unknown, recorded, strict=True) if not has]
        if trials := {frame["trial_key"][row] for row in unknown}:
            missing[scorer] = max(len(trials), missing.get(scorer, 0))
        changed[score.column] = values
    return Filled(frame.assign(**changed) if changed else frame, missing)


def digests_of(frame: pd.DataFrame) -> list[str]:
    """For each evaluation: a digest of the predictions that its scores follow from.

    On the test set that of its own predictions. On other data it also covers those of the trial on its own
    data, from which calibrators are fitted and with which some metrics compare; '' if they are not there.

    Args:
        frame: From `Snapshot.evaluations()`.
    """
    rows_of = list(zip(frame["key"], frame["trial_key"], frame["predictions_digest"], strict=True))
    own = {key: of for key, trial, of in rows_of if key == trial}
    return [
        of if key == trial else sha256(f"{of} {own[trial]}".encode()) if trial in own else ""
        for key, trial, of in rows_of
    ]


def _column(frame: pd.DataFrame, name: str) -> list[float]:
    return frame[name].tolist() if name in frame else [float("nan")] * len(frame)


def _recorded(folder: Folder, frame: pd.DataFrame, numbers: Sequence[int], column: str) -> list[bool]:
    """Whether each of some rows has a score of this name, even NaN."""

    def has(number: int) -> bool:
        place = Address(*(str(frame[name][number]) for name in ("dataset", "model", "loss", "key")))
        for path in place.rows:
            with contextlib.suppress(FileNotFoundError, rows.DamagedFileError):
                row = rows.checked_row(folder.read(path), place.key)
                return column in dict(row["scores"][0].as_py())
        return False

    return side_by_side(folder, has, numbers)
