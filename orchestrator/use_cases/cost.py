"""Estimates the cost of the remaining trials: hours, time, storage and money. Runs pilots to measure it."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cluster.estimates import (
    START_SECONDS,
    TRIAL_SECONDS,
    Estimate,
    Estimates,
    least_makespan,
    longest_first,
    makespan,
)
from results.store.pilots import Pilot, keep
from results.store.store import Store
from sweeps.expand import Sweep, load
from trainables import tasks
from trainables.catalogue import DATASETS
from trainables.errors import ConfigurationError
from trainables.operations import part_sizes
from trainables.trial import Trial

HOUR = 3600.0
ROW_BYTES, EPOCH_BYTES = 32_000, 1_000
"""Approximate size of a trial's row with short learning curves, and of one epoch's curves."""

SOURCES = ("finished trials", "pilot", "card", "operations", "guess")
"""Sources of estimates, the best first."""


@dataclass(frozen=True)
class Prices:
    """The user's figures for the cluster; None where not given.

    Attributes:
        gpus: Number of GPUs in the cluster.
        per_gpu_hour: Price, in any currency.
        budget_gpu_hours: Upper limit.
        card: Part of the name of a measured GPU.
    """

    gpus: float | None = None
    per_gpu_hour: float | None = None
    budget_gpu_hours: float | None = None
    card: str | None = None

    def check_for(self, sweep: Sweep) -> None:
        """Raises ConfigurationError for an option about GPUs if the sweep uses none."""
        given = {
            "--gpus": self.gpus,
            "--price-per-gpu-hour": self.per_gpu_hour,
            "--budget-gpu-hours": self.budget_gpu_hours,
            "--gpu-card": self.card,
        }
        for option, value in given.items():
            if value is not None and not any(sweep.gpus.values()):
                raise ConfigurationError(f"{option}: no trial of {sweep.name} uses a GPU.")


@dataclass(frozen=True)
class Basis:
    """The source of some trials' estimates: `source` and `measured` as in an `Estimate`."""

    source: str
    measured: str
    trials: int


@dataclass(frozen=True)
class Schedule:
    """The duration of all trials together, the longest started first.

    Attributes:
        units: Number of GPUs, or CPU cores, that they share.
        seconds: Time until the last one ends.
        least_seconds: Lower bound for any order.
        longest: The longest trial; `longest_seconds` is its duration.
        longest_bounds: Whether the longest trial sets the lower bound, rather than the total work.
    """

    units: float
    seconds: float
    least_seconds: float
    longest: str
    longest_seconds: float
    longest_bounds: bool


@dataclass(frozen=True)
class Cost:
    """The cost of the remaining trials.

    Attributes:
        unit: Unit of `hours`: 'GPU' or 'core'.
        known: Number of trials with an estimate, included in `hours`.
        unknown: Number of trials without an estimate.
        basis: Sources of the estimates, the best first.
        schedule: None if no number of GPUs is given, or no trial has an estimate.
        stored_bytes: Size of the results; None if a data set does not state its size.
        price: In the currency of `prices`; None without a price per hour.
    """

    unit: str
    known: int
    unknown: int
    hours: float
    basis: tuple[Basis, ...]
    schedule: Schedule | None
    stored_bytes: float | None
    price: float | None
    prices: Prices

    @property
    def over_budget(self) -> bool:
        budget = self.prices.budget_gpu_hours
        return budget is not None and self.hours > budget


def cost(sweep: Sweep, remaining: Sequence[Trial], estimates: Estimates, prices: Prices) -> Cost:
    """Estimates the cost of `remaining`, the remaining trials of the sweep.

    Raises:
        ConfigurationError: A trial needs more GPUs or cores than given.
    """
    on_gpu, unit = estimates.on_gpu, estimates.unit
    widths = {t.key: sweep.gpus[t.key] if on_gpu else sweep.run.cpus_per_trial for t in remaining}
    known = [(t, estimate) for t in longest_first(remaining, estimates) if (estimate := estimates(t))]
    jobs = [(estimate.seconds, widths[trial.key]) for trial, estimate in known]
    hours = sum(seconds * width for seconds, width in jobs) / HOUR
    capacity = prices.gpus if on_gpu else float(len(os.sched_getaffinity(0)))
    widest = max(widths.values())
    if capacity is not None and capacity < widest:
        takes = f"{widest:g} {unit}{'' if widest == 1 else 's'}"
        raise ConfigurationError(f"a trial needs {takes}, so it never starts on {capacity:g}.")
    stored = [_stored_bytes(trial) for trial in remaining]
    return Cost(
        unit,
        len(known),
        len(remaining) - len(known),
        hours,
        _basis([estimate for _, estimate in known]),
        _schedule(str(known[0][0]), jobs, capacity) if known and capacity is not None else None,
        None if None in stored else sum(number for number in stored if number),
        hours * prices.per_gpu_hour if known and prices.per_gpu_hour is not None else None,
        prices,
    )


def _basis(estimates: Sequence[Estimate]) -> tuple[Basis, ...]:
    counts = Counter((estimate.source, estimate.measured) for estimate in estimates)
    ordered = sorted(counts.items(), key=lambda item: SOURCES.index(item[0][0]))
    return tuple(Basis(source, measured, number) for (source, measured), number in ordered)


def _schedule(longest: str, jobs: Sequence[tuple[float, float]], capacity: float) -> Schedule:
    whole = [(seconds + TRIAL_SECONDS, width) for seconds, width in jobs]
    least = START_SECONDS + least_makespan(whole, capacity)
    longest_seconds = whole[0][0]
    return Schedule(
        capacity,
        START_SECONDS + makespan(whole, capacity),
        least,
        longest,
        longest_seconds,
        least <= START_SECONDS + longest_seconds,
    )


def _stored_bytes(trial: Trial) -> float | None:
    spec, sizes = DATASETS[trial.dataset.name].spec, part_sizes(trial.dataset)
    if sizes is None or spec.classes is None or spec.task != tasks.DEFAULT:
        return None
    _, validation, test = sizes
    # float32 logits, an id and a label.
    logits = (validation + test) * (4 * spec.classes + 16)
    return float(logits + ROW_BYTES + EPOCH_BYTES * trial.training.epochs)


def pilots(
    sweep: str, store: str = "store", overrides: Sequence[str] = (), data: Path | None = None
) -> Iterator[Pilot]:
    """Measures some steps of each data set and model of a sweep here. Stores and yields each pilot.

    Raises:
        DataError: A data set is missing or damaged.
        StoreError: The store cannot be written.
    """
    import torch

    from trainables.cost import pilot
    from trainables.training.run import default_device

    loaded, place = load(sweep, overrides), Store(store)
    place.folder.check_writable()
    device = default_device()
    torch.set_num_threads(max(1, int(loaded.run.cpus_per_trial)))
    first: dict[tuple[str, str, str], Trial] = {}
    for trial in loaded.trials:
        first.setdefault((trial.dataset.label, trial.model.label, trial.training.precision), trial)
    for cell, trial in first.items():
        measured = pilot(trial, data, device)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        made = Pilot(
            *cell, measured.seconds_per_epoch, measured.device, measured.peak_memory_gib, occurred=now
        )
        keep(place, made)
        yield made
