"""Noise floors of the scores in a table, and the losses of each row that may be the best.

A row compares losses by matched seeds on the same test samples. Nothing is read before a table needs it, and
each trial's predictions are read once.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from results.scoring.scores import UNCALIBRATED, Metric, criterion_of
from results.statistics.binned import BINNED_ERRORS, BinnedError
from results.store import data_files, rows
from results.store.address import Address
from results.store.errors import StoreError
from results.store.snapshot import side_by_side
from results.store.store import Store
from results.tables.evaluations import on_test_set
from results.tables.layout import LEVEL
from results.tables.statistics import CELL
from trainables.metrics import parsed

if TYPE_CHECKING:
    from results.scoring.samples import Samples
    from results.statistics.noise_floor import Calibrated, Floor
    from results.statistics.ties import Comparison

# What needs scipy is loaded by the functions that compute: other commands load this module too.

Predictions = Callable[[Sequence[str]], Mapping[str, pa.Table]]
"""Returns the stored predictions of trials by their keys, without those that cannot be read."""

MOST_TRIALS = 1000
"""Reading the logits of more trials takes minutes."""

AT_ONCE = 64
"""Trials whose logits are in memory together."""

DRAWS = 1000
"""Number of label draws for a floor, and of resamples of the test samples."""


def predictions_in(store: Store, frame: pd.DataFrame) -> Predictions:
    """Reads the stored predictions of classification trials on the test set.

    Args:
        frame: One row per trial and evaluation, from `Snapshot.evaluations()`.
    """
    own = on_test_set(frame)
    other_task = own["task"].notna() if "task" in own else [False] * len(own)
    names = ("dataset", "model", "loss", "key", "predictions_digest")
    lines = zip(*(own[name] for name in names), other_task, strict=True)
    places = {line[3]: (Address(*line[:4]).row, line[4]) for line in lines if not line[5]}

    def read(key: str) -> pa.Table | None:
        # By the digest in the frame: the row need not be read again.
        row_path, digest = places[key]
        with contextlib.suppress(StoreError):
            return rows.from_parquet(data_files.content_of(store.folder, row_path, "predictions", digest))
        return None

    def read_all(keys: Sequence[str]) -> dict[str, pa.Table]:
        known = [key for key in keys if key in places]
        found = zip(known, side_by_side(store.folder, read, known), strict=True)
        return {key: table for key, table in found if table is not None}

    return read_all


class Place(NamedTuple):
    """The columns of `CELL`, which identify a cell."""

    dataset: str
    model: str
    loss: str
    variant: str


@dataclass(frozen=True)
class Known:
    """The evidence on one metric in one row, before or after calibration.

    Attributes:
        floors: Of each loss's mean over its seeds; None for a metric without a floor, or without samples.
        comparison: Of all pairs of losses.
        over_samples: Whether the comparison includes resamples of the test samples: else it is over seeds
            alone.
    """

    floors: Sequence[Floor | None]
    comparison: Comparison
    over_samples: bool


class Evidence:
    """Evidence from the stored predictions of trials, computed on demand.

    Args:
        trials: One row per trial: `key`, `seed`, the columns of `CELL`, and scores and temperatures.
        predictions: Returns predictions of trials for classification.
        calibrator: The calibrator of the 'after' columns.
        metrics: Those of the tables: their floors are computed together, from the same drawn labels.
    """

    def __init__(
        self, trials: pd.DataFrame, predictions: Predictions, calibrator: str, metrics: Iterable[Metric]
    ) -> None:
        self._errors = {metric.name: error for metric in metrics if (error := binned(metric)) is not None}
        self._floors: dict[tuple[bool, tuple[str, ...]], dict[str, Calibrated]] = {}
        self.trials, self.predictions, self.calibrator = trials, predictions, calibrator
        self.over_seeds_alone = len(trials) > MOST_TRIALS
        self._positions: dict[Place, dict[int, int]] = defaultdict(dict)
        for position, (*cell, seed) in enumerate(
            zip(*(trials[name] for name in [*CELL, "seed"]), strict=True)
        ):
            self._positions[Place(*cell)][int(seed)] = position
        self._columns: dict[str, list[Any]] = {}
        self._read: dict[str, tuple[Samples, Samples] | None] = {}

    def _column(self, name: str) -> list[Any]:
        if name not in self._columns:
            self._columns[name] = self.trials[name].tolist()
        return self._columns[name]

    def of_row(self, places: Sequence[Place], metric: Metric, column: str, after: bool) -> Known:
        """Evidence on the losses of a row.

        Args:
            places: The cell of each loss.
            column: The column of the scores in `trials`.
            after: Whether they are after calibration.
        """
        from results.statistics import ties

        values, every_key = self._column(column), self._column("key")
        seeds = sorted({seed for place in places for seed in self._positions[place]})
        scores = np.full((len(places), len(seeds)), math.nan)
        keys: list[list[str]] = [[] for _ in places]
        for row, place in enumerate(places):
            for number, seed in enumerate(seeds):
                position = self._positions[place].get(seed)
                if position is not None and not math.isnan(values[position]):
                    scores[row, number] = values[position]
                    keys[row].append(every_key[position])
        tested = self._tested([key for of_loss in keys for key in of_loss], after)
        resampled: NDArray[np.float64] | None = None
        floors: list[Floor | None] = [None] * len(places)
        if tested:
            resampled = _resampled(scores, keys, tested, metric)
            floors = self._floors_of(keys, tested, metric, after)
        comparison = ties.compare(scores, resampled, metric.direction or "lower", LEVEL)
        return Known(floors, comparison, resampled is not None)

    def _floors_of(
        self, keys: Sequence[Sequence[str]], tested: Mapping[str, Samples], metric: Metric, after: bool
    ) -> list[Floor | None]:
        """The floor of each loss's mean over its trials."""
        if metric.name not in self._errors:
            return [None] * len(keys)
        from results.statistics import noise_floor

        every = tuple(key for of_loss in keys for key in of_loss)
        if (after, every) not in self._floors:
            confidences = np.stack([tested[key].confidences for key in every])
            correct = np.stack([tested[key].correct for key in every])
            self._floors[after, every] = noise_floor.top_label(confidences, correct, self._errors, DRAWS)
        drawn = self._floors[after, every][metric.name]
        ends = np.cumsum([len(of_loss) for of_loss in keys])
        return [
            noise_floor.Calibrated(drawn.observed[start:end], drawn.drawn[start:end]).of_mean(LEVEL)
            if end > start
            else None
            for start, end in zip([0, *ends], ends, strict=False)
        ]

    def _tested(self, keys: Sequence[str], after: bool) -> dict[str, Samples]:
        """The samples of each trial; empty if any lacks them, or was tested on others."""
        if self.over_seeds_alone:
            return {}
        from results.scoring import samples

        if not self._read:
            self._read_all()
        found = {key: both[after] for key in keys if (both := self._read[key]) is not None}
        if len(found) < len(keys) or not samples.same_samples(list(found.values())):
            return {}
        return found

    def _read_all(self) -> None:
        """Reads the samples of all trials: one by one, each would wait for an object store."""
        keys = [str(key) for key in self._column("key")]
        self._read = dict.fromkeys(keys)
        for start in range(0, len(keys), AT_ONCE):
            tables = self.predictions(keys[start : start + AT_ONCE])
            self._read |= {key: self._both(key, table) for key, table in tables.items()}

    def _both(self, key: str, predictions: pa.Table) -> tuple[Samples, Samples]:
        from results.scoring import samples

        before = samples.of_test_set(predictions)
        if self.calibrator == UNCALIBRATED:
            return before, before
        temperature = None
        if criterion := criterion_of(self.calibrator):
            position = self._column("key").index(key)
            temperature = self._column(f"temperature_{criterion}")[position]
        return before, samples.of_test_set(predictions, self.calibrator, temperature)


def binned(metric: Metric) -> BinnedError | None:
    """The form of a metric that depends on binned sums alone; None for other metrics."""
    name, bins = parsed(metric.name)
    error = BINNED_ERRORS.get(name)
    return error if error is None or bins is None else BinnedError(error.binning, error.combined, bins)


def _resampled(
    scores: NDArray[np.float64],
    keys: Sequence[Sequence[str]],
    tested: Mapping[str, Samples],
    metric: Metric,
) -> NDArray[np.float64] | None:
    """Scores over resamples of the test samples, [L, S, draws]; NaN for a missing trial.

    None for a metric that is neither binned nor a mean over samples.
    """
    from results.scoring import samples
    from results.statistics import resampling

    every = [tested[key] for of_loss in keys for key in of_loss]
    resamples = resampling.Resamples(len(every[0].ids), DRAWS)
    values = [samples.means_over(each, metric.name) for each in every]
    if (error := binned(metric)) is not None:
        confidences, correct = (
            np.stack([getattr(each, name) for each in every]) for name in ("confidences", "correct")
        )
        flat = resampling.binned_errors(confidences, correct, error, resamples)
    elif all(value is not None for value in values):
        flat = resampling.means(np.stack([value for value in values if value is not None]), resamples)
    else:
        return None
    found = np.full((*scores.shape, DRAWS), np.nan)
    found[np.isfinite(scores)] = flat
    return found
