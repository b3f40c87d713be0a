"""Noise floors of the scores in a table, and the losses of each row that may be the best.

A row compares losses by matched seeds on the same test samples. Nothing is read before a table needs it, each
trial's predictions are read once, and not at all where the evidence is kept in the store (`kept_evidence`).
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from results.scoring.layer import Scorer
from results.scoring.rescoring import cores
from results.scoring.scores import UNCALIBRATED, Metric, Score, criterion_of
from results.statistics.threads import one_thread
from results.store.store import Store
from results.store.stored_data import data_in
from results.tables.evaluations import on_test_set
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import LEVEL, scalings
from results.tables.row_evidence import RowEvidence, Scored, of_row, over_seeds_alone
from results.tables.statistics import CELL

if TYPE_CHECKING:
    from results.scoring.samples import Samples
    from results.statistics.noise_floor import Floor
    from results.statistics.ties import Comparison

T = TypeVar("T")
R = TypeVar("R")

Predictions = Callable[[Sequence[str]], Mapping[str, pa.Table]]
"""Returns the stored predictions of trials by their keys, without those that cannot be read."""

MOST_TRIALS = 1000
"""Reading the logits of more trials takes minutes, so that `calibsweep store rescore` does it."""

AT_ONCE = 64
"""Trials whose logits are in memory together, or those of one row if these are more."""

KEPT_FROM = 50
"""Trials whose logits are read faster than tables are printed: their evidence is not kept."""


NONE = -1
"""The position of a trial that is missing."""

MOST_THREADS = 8
"""Threads that compute side by side: each takes up to 200 MB."""

KEPT_SECONDS = 30.0
"""Interval between writes: a kill loses no more than that."""


def predictions_in(store: Store, frame: pd.DataFrame) -> Predictions:
    """Reads the stored predictions of classification trials on the test set.

    Args:
        frame: One row per trial and evaluation, from `Snapshot.evaluations()`.
    """
    own = on_test_set(frame)
    if "task" in own:
        own = own[own["task"].isna()]
    return data_in(store.folder, own, "predictions", lambda table: table)


class Place(NamedTuple):
    """The columns of `CELL`, which identify a cell."""

    dataset: str
    model: str
    loss: str
    variant: str


def compared_in(summary: pd.DataFrame) -> dict[tuple[str, str, str], list[Place]]:
    """The finished cells of each row of a table, by data set, model and settings.

    Args:
        summary: From `summarise`, sorted.
    """
    found: dict[tuple[str, str, str], list[Place]] = defaultdict(list)
    names = ("dataset", "model", "settings", "loss", "variant", "seeds")
    for dataset, model, settings, loss, variant, seeds in zip(
        *(summary[name].tolist() for name in names), strict=True
    ):
        row = found[dataset, model, settings]
        if seeds:
            row.append(Place(dataset, model, loss, variant))
    return dict(found)


@dataclass(frozen=True)
class Known:
    """The evidence on one metric in one row, before or after calibration.

    Attributes:
        floors: Of each loss's mean over its seeds; None for a metric without a floor, or without samples.
        comparison: Of all pairs of losses.
        over_samples: Whether the comparison includes resamples of the test samples: else it is over seeds
            alone.
        samples: Number of test samples; None if unknown.
        near_chance: Whether each loss has a trial that is near chance.
        standard_errors: Of each loss's mean, over the test samples; NaN if unknown.
    """

    floors: Sequence[Floor | None]
    comparison: Comparison
    over_samples: bool
    samples: int | None
    near_chance: Sequence[bool]
    standard_errors: Sequence[float]


@dataclass(frozen=True)
class _Wanted:
    """Evidence on a row that is not kept.

    Attributes:
        place, of: Digests of the row and scores, and of all that the evidence follows from.
    """

    scored: Scored
    place: str
    of: str


class Evidence:
    """Evidence from the stored predictions of trials, computed on demand.

    Args:
        trials: One row per trial: `key`, `seed`, the columns of `CELL`, and scores and temperatures; and
            `predictions_digest` for evidence that is kept.
        predictions: Returns predictions of trials for classification.
        calibrator: The calibrator of the 'after' columns.
        metrics: Those of the tables.
        kept: The evidence in the store; None to keep none.
        thorough: Whether to read the logits of more than `MOST_TRIALS` trials.
        progress: Called with the number of trials whose evidence is there.

    Attributes:
        unread: Whether logits were not read because there are too many trials.
    """

    def __init__(
        self,
        trials: pd.DataFrame,
        predictions: Predictions,
        calibrator: str,
        metrics: Iterable[Metric],
        kept: KeptEvidence | None = None,
        *,
        thorough: bool = False,
        progress: Callable[[int], object] = lambda done: None,
    ) -> None:
        self.trials, self.predictions, self.calibrator = trials, predictions, calibrator
        self.metrics, self._progress = list(metrics), progress
        self.kept = kept if "predictions_digest" in trials else None
        self.unread, self._readable = False, thorough or len(trials) <= MOST_TRIALS
        self._positions: dict[Place, dict[int, int]] = defaultdict(dict)
        for position, (*cell, seed) in enumerate(
            zip(*(trials[name].tolist() for name in [*CELL, "seed"]), strict=True)
        ):
            self._positions[Place(*cell)][int(seed)] = position
        self._position_of = {str(key): position for position, key in enumerate(trials["key"])}
        self._columns: dict[str, list[Any]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._known: dict[tuple[tuple[Place, ...], str, bool], tuple[Scored, RowEvidence]] = {}

    def _column(self, name: str) -> list[Any]:
        if name not in self._columns:
            self._columns[name] = self.trials[name].tolist()
        return self._columns[name]

    def of_row(self, places: Sequence[Place], metric: Metric, after: bool) -> Known:
        """Evidence on the losses of a row.

        Args:
            places: The cell of each loss.
            after: Whether the scores are after calibration.
        """
        from results.statistics import ties

        line = tuple(places), metric.name, after
        if line not in self._known:
            self.prepare([places])
        scored, found = self._known[line]
        comparison = ties.concluded(scored.scores, found.tests, metric.direction or "lower", LEVEL)
        return Known(
            found.floors,
            comparison,
            found.over_samples,
            found.samples,
            found.near_chance,
            found.standard_errors,
        )

    def prepare(self, of_rows: Iterable[Sequence[Place]]) -> None:
        """Takes or computes the evidence on many rows, by all metrics.

        One by one, the trials of each row would wait for an object store.
        """
        waiting: list[tuple[tuple[Place, ...], list[_Wanted]]] = []
        done, saved = 0, time.monotonic()
        for places in map(tuple, of_rows):
            wanted = self._take_kept(places)
            if wanted and self._readable:
                waiting.append((places, wanted))
                if len({key for _, of in waiting for each in of for key in each.scored.every_key}) >= AT_ONCE:
                    self._compute(waiting)
                    waiting = []
            elif wanted:
                self.unread = True
                scored = [each.scored for each in wanted]
                for one, found in zip(scored, over_seeds_alone(scored), strict=True):
                    self._note(places, one, found)
            done += sum(len(self._positions[place]) for place in places)
            self._progress(done)
            if time.monotonic() - saved > KEPT_SECONDS:
                self._save()
                saved = time.monotonic()
        self._compute(waiting)
        self._save()

    def _save(self) -> None:
        """Keeps in the store what was computed, if that took long."""
        if self.kept is not None and len(self.trials) >= KEPT_FROM:
            self.kept.save()

    def _note(self, places: tuple[Place, ...], scored: Scored, found: RowEvidence) -> None:
        self._known[places, scored.metric.name, scored.after] = scored, found

    def _take_kept(self, places: tuple[Place, ...]) -> list[_Wanted]:
        """Takes the kept evidence on a row, and returns what is not kept."""
        wanted = []
        seeds = sorted({seed for place in places for seed in self._positions[place]})
        positions = np.array(
            [[self._positions[place].get(seed, NONE) for seed in seeds] for place in places], dtype=int
        ).reshape(len(places), len(seeds))
        keys = self._keys(positions)
        for after in (False, True):
            metrics = [
                each for each in self.metrics if not after or "after" in scalings(each, self.calibrator)
            ]
            bases = self._digests(places, seeds, positions, after) if metrics and self._keeps else None
            for metric in metrics:
                scored = self._scored(positions, keys, metric, after)
                place, of = "", ""
                if bases:
                    place = _digest(bases[0], metric.name)
                    of = _digest(bases[1], metric.name, scored.scores.tobytes().hex())
                kept = self.kept.get(of) if self.kept and of else None
                if kept is None:
                    wanted.append(_Wanted(scored, place, of))
                else:
                    self._note(places, scored, kept)
        return wanted

    @functools.cached_property
    def _keeps(self) -> bool:
        """Whether evidence is looked up or kept: digesting thousands of trials takes long."""
        return self.kept is not None and (self._readable or not self.kept.is_empty)

    @functools.cached_property
    def _calibrator_code(self) -> str:
        return Scorer(self.metrics[0].name, self.calibrator).folder

    def _digests(
        self,
        places: tuple[Place, ...],
        seeds: Sequence[int],
        positions: NDArray[np.int64],
        after: bool,
    ) -> tuple[str, str]:
        """Digests of a row, and of its trials with all that their calibrated samples follow from."""
        calibrator = self.calibrator if after else UNCALIBRATED
        names, by = ["key", "predictions_digest"], calibrator
        if criterion := criterion_of(calibrator):
            names.append(f"temperature_{criterion}")
        elif after:
            # It is fitted again, by its present code.
            by = self._calibrator_code
        columns = [self._column(name) for name in names]
        trials = [
            [None if position == NONE else [column[position] for column in columns] for position in of_loss]
            for of_loss in positions.tolist()
        ]
        return _digest(places, calibrator), _digest(trials, seeds, by)

    def _scored(
        self, positions: NDArray[np.int64], keys: Sequence[Sequence[str]], metric: Metric, after: bool
    ) -> Scored:
        """The trials of a row, which have these keys, with one of their scores."""
        name = Score("test", metric.name, self.calibrator if after else UNCALIBRATED).column
        if name not in self._numbers:
            self._numbers[name] = np.array(self._column(name), dtype=float)
        there = positions != NONE
        scores = np.where(there, self._numbers[name][positions], math.nan)
        without = np.isnan(scores)
        return Scored(
            metric, after, scores, self._keys(positions, ~without) if (there & without).any() else keys
        )

    def _keys(self, positions: NDArray[np.int64], scored: NDArray[np.bool_] | None = None) -> list[list[str]]:
        """Of each loss the keys of its trials; of those with a score alone, if they are given."""
        keys = self._column("key")
        there = positions != NONE if scored is None else scored
        return [
            [str(keys[position]) for position in positions[loss][there[loss]].tolist()]
            for loss in range(len(positions))
        ]

    def _compute(self, waiting: Sequence[tuple[tuple[Place, ...], Sequence[_Wanted]]]) -> None:
        """Computes the evidence on rows together, and keeps it."""
        every = {key: None for _, wanted in waiting for each in wanted for key in each.scored.every_key}
        tables = self.predictions(list(every)) if every else {}
        samples = {key: self._both(key, table) for key, table in tables.items()}
        parts = [
            (places, part)
            for places, wanted in waiting
            for after in (False, True)
            if (part := [each for each in wanted if each.scored.after == after])
        ]
        computed = _on_cores(lambda part: of_row([each.scored for each in part[1]], samples), parts)
        for (places, part), found in zip(parts, computed, strict=True):
            for each, evidence in zip(part, found, strict=True):
                if evidence is not None and self.kept:
                    self.kept.add(each.place, each.of, evidence)
                self._note(
                    places, each.scored, over_seeds_alone([each.scored])[0] if evidence is None else evidence
                )

    def _both(self, key: str, predictions: pa.Table) -> tuple[Samples, Samples]:
        from results.scoring import samples

        before = samples.of_test_set(predictions)
        if self.calibrator == UNCALIBRATED:
            return before, before
        temperature = None
        if criterion := criterion_of(self.calibrator):
            temperature = self._column(f"temperature_{criterion}")[self._position_of[key]]
        return before, samples.of_test_set(predictions, self.calibrator, temperature)


def _on_cores(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Applies a function that computes with numpy to items, in threads, to the same numbers as in one."""
    threads = min(MOST_THREADS, cores(), len(items))
    if threads < 2:
        return [function(item) for item in items]
    # Around all threads: each would otherwise end the limit of the others.
    with one_thread(), ThreadPoolExecutor(threads) as executor:
        return list(executor.map(function, items))


def _digest(*of: Any) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()
