"""The price of the trials that are left: hours, time, storage and money; and pilots, which measure them."""

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
from trainables.catalogue import DATASETS
from trainables.errors import ConfigurationError
from trainables.trial import Trial

HOUR = 3600.0
ROW_BYTES = 32_000
"""Of a trial's row and learning curves, about."""

SOURCES = ("finished trials", "pilot", "card", "operations", "guess")
"""Of estimates, the best first."""


@dataclass(frozen=True)
class Prices:
    """What the person who plans says of the cluster; None for what is not said.

    Attributes:
        gpus: GPUs that the cluster has.
        per_gpu_hour: Money, of whatever currency.
        budget_gpu_hours: More than this is too much.
        card: A part of the name of a GPU that was measured.
    """

    gpus: float | None = None
    per_gpu_hour: float | None = None
    budget_gpu_hours: float | None = None
    card: str | None = None

    def check_for(self, sweep: Sweep) -> None:
        """Raises ConfigurationError for an option about GPUs where the sweep uses none."""
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
    """How the length of some trials is known: `source` and `measured` as in an `Estimate`."""

    source: str
    measured: str
    trials: int


@dataclass(frozen=True)
class Schedule:
    """How long all trials take together, the longest started first.

    Attributes:
        units: GPUs, or CPU cores, that they share.
        seconds: Until the last one ends.
        least_seconds: No order of them takes less.
        longest: The trial that takes longest, and `longest_seconds` its length.
        longest_bounds: Whether the least time is that of the longest trial, not of all work shared out.
    """

    units: float
    seconds: float
    least_seconds: float
    longest: str
    longest_seconds: float
    longest_bounds: bool


@dataclass(frozen=True)
class Cost:
    """The price of the trials that are left.

    Attributes:
        unit: 'GPU' or 'core', of which `hours` are counted.
        known: Trials whose length is estimated, in `hours`.
        unknown: Trials of which nothing is known.
        basis: How the lengths are known, the best first.
        schedule: None where no number of GPUs was given, or no trial is known.
        stored_bytes: That the results take; None where a data set does not tell its size.
        price: In the currency of `prices`; None without a price for an hour.
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


def cost(sweep: Sweep, wanted: Sequence[Trial], estimates: Estimates, prices: Prices) -> Cost:
    """The price of `wanted`, trials of the sweep that are left.

    Raises:
        ConfigurationError: Fewer GPUs or cores than one trial takes.
    """
    on_gpu, unit = estimates.on_gpu, estimates.unit
    widths = {t.key: sweep.gpus[t.key] if on_gpu else sweep.run.cpus_per_trial for t in wanted}
    known = [(t, estimate) for t in longest_first(wanted, estimates) if (estimate := estimates(t))]
    jobs = [(estimate.seconds, widths[trial.key]) for trial, estimate in known]
    hours = sum(seconds * width for seconds, width in jobs) / HOUR
    capacity = prices.gpus if on_gpu else float(len(os.sched_getaffinity(0)))
    widest = max(widths.values())
    if capacity is not None and capacity < widest:
        takes = f"{widest:g} {unit}{'' if widest == 1 else 's'}"
        raise ConfigurationError(f"a trial takes {takes}, so it never starts on {capacity:g}.")
    stored = [_stored_bytes(trial) for trial in wanted]
    return Cost(
        unit,
        len(known),
        len(wanted) - len(known),
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
    spec = DATASETS[trial.dataset.name].spec
    if spec.samples is None or spec.classes is None:
        return None
    _, validation, test = spec.samples
    # float32 logits, an id and a label.
    return float((validation + test) * (4 * spec.classes + 16) + ROW_BYTES)


def pilots(
    sweep: str, store: str = "store", overrides: Sequence[str] = (), data: Path | None = None
) -> Iterator[Pilot]:
    """Measures some steps of each data set and model of a sweep in this process; keeps and yields each pilot.

    Raises:
        DataError: A data set that is missing or damaged.
        StoreError: A store that cannot be written.
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
