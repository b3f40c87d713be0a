"""Estimates the duration of trials from the best available source, and of all trials together."""

from __future__ import annotations

import heapq
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.gpu_records import GpuRecord
from results.store.pilots import Pilot
from trainables.operations import are_recorded, flops_per_epoch
from trainables.trial import NATURAL, Trial, canonical_json

if TYPE_CHECKING:
    import pandas as pd

GUESSED_FLOPS_PER_SECOND = {"GPU": 20e12, "core": 20e9}
"""Of a GPU, and of a CPU core, in training. The networks of this field stay far below the data sheet's."""

START_SECONDS = 15.0
"""From the command to the first trial's first batch: Ray and a process start, and torch loads."""

TRIAL_SECONDS = 1.0
"""Each trial's overhead beside training: its start, its scores and its files."""

Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Estimate:
    """The duration of a trial in seconds, and its source.

    Attributes:
        source: 'finished trials', 'pilot', 'card' (its network was measured on it), 'operations' (scaled from
            another measured network) or 'guess'.
        measured: For 'card' and 'operations': the network, card, settings and date of the measurement.
    """

    seconds: float
    source: str
    measured: str = ""


class Estimates:
    """Estimates a trial from finished trials of its data set and model, else a pilot, else its operations.

    Of the finished trials, those with the same sampler count, if there are any. Operations are divided by the
    speed measured for such a network on a card, else by `GUESSED_FLOPS_PER_SECOND`.

    Args:
        finished: From `Store.trials()`.
        pilots: The latest first.
        on_gpu: Whether the trials will run on a GPU.
        card: The record of such a GPU, if any.
        gpus: Number of GPUs by trial key, where several. Assumes that they share the work evenly.
        count: Whether to build unrecorded networks to count their operations, which loads torch.
    """

    def __init__(
        self,
        finished: pd.DataFrame,
        pilots: Iterable[Pilot],
        on_gpu: bool,
        gpus: Mapping[str, float] | None = None,
        card: GpuRecord | None = None,
        count: bool = True,
    ):
        self.count = count
        self.on_gpu = on_gpu
        self.card = card if on_gpu else None
        self.gpus = gpus or {}
        seen: dict[Cell, list[float]] = defaultdict(list)
        sampled: dict[tuple[Cell, str], list[float]] = defaultdict(list)
        if "training_seconds" in finished:
            columns = ("dataset", "model", "identity", "training_seconds")
            # Older rows lack the number of GPUs, which was always one.
            workers = finished["gpus"].fillna(1.0).clip(lower=1.0) if "gpus" in finished else 1.0
            work = finished["training_seconds"] * workers
            for dataset, model, identity, seconds in zip(
                *(finished.assign(training_seconds=work)[name] for name in columns), strict=True
            ):
                stored = json.loads(identity)
                training = stored["training"]
                passes = training["epochs"] * _passes(training)
                cell = dataset, model, training["precision"]
                seen[cell].append(seconds / passes)
                sampled[cell, canonical_json(stored.get("sampler", {}))].append(seconds / passes)
        self.finished: Mapping[Cell, float] = {cell: statistics.mean(each) for cell, each in seen.items()}
        # Oversampling takes many times the steps of undersampling.
        self.sampled = {cell: statistics.mean(each) for cell, each in sampled.items()}
        self.piloted: dict[Cell, float] = {}
        for pilot in pilots:
            self.piloted.setdefault((pilot.dataset, pilot.model, pilot.precision), pilot.seconds_per_epoch)
        self._flops: dict[Cell, float | None] = {}

    @property
    def unit(self) -> str:
        """The unit of hours: 'GPU' or 'core'."""
        return "GPU" if self.on_gpu else "core"

    def __call__(self, trial: Trial) -> Estimate | None:
        """Estimates a trial; None if there is no source at all."""
        cell = _cell(trial)
        passes = trial.training.epochs * _passes(trial.training.identity())
        epochs = passes / max(1.0, self.gpus.get(trial.key, 1.0))
        sampler = {} if trial.sampler == NATURAL else trial.sampler.identity()
        same = self.sampled.get((cell, canonical_json(sampler)))
        if same is not None:
            return Estimate(epochs * same, "finished trials")
        for source, seconds in (("finished trials", self.finished), ("pilot", self.piloted)):
            if cell in seconds:
                return Estimate(epochs * seconds[cell], source)
        flops = self._flops_per_epoch(cell, trial)
        if flops is None:
            return None
        rate, source, measured = self._rate(trial)
        return Estimate(epochs * flops / rate, source, measured)

    def seconds(self, trial: Trial) -> float | None:
        """The estimate in seconds alone."""
        estimate = self(trial)
        return estimate.seconds if estimate else None

    def _rate(self, trial: Trial) -> tuple[float, str, str]:
        """Operations per second, their source, and the measurement."""
        training = trial.training
        if self.card:
            speed = self.card.nearest(trial.model.label, training.precision, training.compile)
            if speed:
                how = f"{training.precision}{', compiled' if training.compile else ''}"
                where = f"{self.card.card} in {how} on {self.card.date}"
                if speed.model == trial.model.label:
                    return speed.flops_per_second, "card", where
                return speed.flops_per_second, "operations", f"{speed.model} on {where}"
        return GUESSED_FLOPS_PER_SECOND[self.unit], "guess", ""

    def _flops_per_epoch(self, cell: Cell, trial: Trial) -> float | None:
        if cell not in self._flops:
            if not self.count and not are_recorded(trial):
                return None
            try:
                self._flops[cell] = flops_per_epoch(trial)
            except Exception:
                # Such as a user's network that cannot be built without values: no reason to refuse a plan.
                self._flops[cell] = None
        return self._flops[cell]


def _passes(training: Mapping[str, Any]) -> int:
    """How many passes over the training part an epoch takes: two with SAM. Its evaluation is neglected."""
    return 2 if training.get("sam") else 1


def _cell(trial: Trial) -> Cell:
    return trial.dataset.label, trial.model.label, trial.training.precision


def longest_first(trials: Iterable[Trial], estimates: Estimates) -> list[Trial]:
    """Sorts trials by descending duration: a long trial started last would keep everything waiting.

    Trials without an estimate come first, since they may be long.
    """
    trials = list(trials)
    sizes = {
        (_cell(t), t.training.epochs, bool(t.training.sam), t.training.compile, estimates.gpus.get(t.key))
        for t in trials
    }
    if len(sizes) == 1:
        # All are equal: skip counting the operations of a network, which takes seconds.
        return trials

    def key(trial: Trial) -> float:
        estimate = estimates(trial)
        return float("-inf") if estimate is None else -estimate.seconds

    return sorted(trials, key=key)


def makespan(jobs: Sequence[tuple[float, float]], capacity: float) -> float:
    """Seconds until all jobs are done, if each starts in the given order as soon as there is room.

    Args:
        jobs: Seconds and width (GPUs, or CPU cores) of each.
        capacity: Number of GPUs or cores; no job is wider.
    """
    running: list[tuple[float, float]] = []
    now, free = 0.0, capacity
    for seconds, width in jobs:
        # Fractions of a GPU add up with rounding.
        while free < width - 1e-9:
            now, freed = heapq.heappop(running)
            free += freed
        heapq.heappush(running, (now + seconds, width))
        free -= width
    return max((end for end, _ in running), default=0.0)


def least_makespan(jobs: Sequence[tuple[float, float]], capacity: float) -> float:
    """Lower bound in seconds for any order of the jobs: all work over all GPUs, or the longest job alone."""
    work = sum(seconds * width for seconds, width in jobs)
    return max(work / capacity, max((seconds for seconds, _ in jobs), default=0.0))
