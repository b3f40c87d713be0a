"""What is left of a sweep costs: `calibsweep plan` prints it, and `plan --pilot` measures it."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from orchestrator.cluster.estimates import (
    GUESSED_FLOPS_PER_SECOND,
    START_SECONDS,
    TRIAL_SECONDS,
    Estimate,
    Estimates,
    least_makespan,
    longest_first,
    makespan,
)
from results.gpu_records import GpuRecord
from results.store.pilots import Pilot, keep
from results.store.store import Store
from results.wording import counted, duration, size, work
from sweeps.expand import Sweep, load
from trainables.catalogue import DATASETS
from trainables.errors import ConfigurationError
from trainables.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

HOUR = 3600.0
ROW_BYTES = 32_000
"""Of a trial's row and learning curves, about."""


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


def show(
    sweep: Sweep,
    wanted: Sequence[Trial],
    finished: pd.DataFrame,
    pilots: Sequence[Pilot],
    card: GpuRecord | None,
    prices: Prices,
    console: Console,
) -> int:
    """Prints hours, time, storage and money of the trials that are left. Returns 1 if over the budget.

    `card` is the record that GPU-hours are taken from; without one they are guessed.
    """
    on_gpu = any(sweep.gpus[trial.key] > 0 for trial in wanted)
    widths = {t.key: sweep.gpus[t.key] if on_gpu else sweep.run.cpus_per_trial for t in wanted}
    widest = max(widths.values())
    unit = "GPU" if on_gpu else "core"
    estimates = Estimates(finished, pilots, on_gpu, sweep.gpus, card)
    ordered = longest_first(wanted, estimates)
    known = [(trial, estimate) for trial in ordered if (estimate := estimates(trial))]
    jobs = [(estimate.seconds, widths[trial.key]) for trial, estimate in known]
    hours = sum(seconds * width for seconds, width in jobs) / HOUR

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    to_go = []
    if known:
        first, *others = _basis(known, unit)
        to_go += [f"{counted(len(known), 'trial')}, {work(hours, unit)}: {first}", *others]
    if len(known) < len(wanted):
        unknown = counted(len(wanted) - len(known), "trial")
        to_go.append(f"{'and ' if known else ''}{unknown} of which nothing is known: --pilot measures them")
    for row, told in enumerate(to_go):
        table.add_row("" if row else "to go", told)
    capacity = prices.gpus if on_gpu else float(len(os.sched_getaffinity(0)))
    if capacity is None:
        table.add_row("time", "say --gpus N for how long it takes on N GPUs")
    elif capacity < widest:
        raise ConfigurationError(f"a trial takes {_units(widest, unit)}, so it never starts on {capacity:g}.")
    elif known:
        _add_time(table, known, jobs, capacity, unit)
    stored = [_stored_bytes(trial) for trial in wanted]
    if None not in stored:
        table.add_row("storage", size(sum(number for number in stored if number)))
    if prices.per_gpu_hour is not None and known:
        table.add_row("price", f"{hours * prices.per_gpu_hour:,.2f} at {prices.per_gpu_hour:g} an hour")
    console.print()
    console.print(table, highlight=False, soft_wrap=True)
    if prices.budget_gpu_hours is not None and hours > prices.budget_gpu_hours:
        over = f"{work(hours, unit)} are more than the budget of {prices.budget_gpu_hours:,g}."
        console.print(over, style="bad", highlight=False)
        return 1
    return 0


def _basis(known: Sequence[tuple[Trial, Estimate]], unit: str) -> list[str]:
    """How many estimates are known in which way."""
    rate = GUESSED_FLOPS_PER_SECOND["gpu" if unit == "GPU" else "cpu"]
    told = {
        "finished trials": "by finished trials of the same data set and model",
        "pilot": "by a pilot",
        "card": "as measured on {}",
        "operations": "scaled by operations from {}",
        "guess": f"guessed from the network's operations at {rate / 1e12:g} TFLOP/s a {unit}",
    }
    counts = Counter((estimate.source, estimate.measured) for _, estimate in known)
    ordered = sorted(counts.items(), key=lambda item: list(told).index(item[0][0]))
    return [f"{count} {told[source].format(what)}" for (source, what), count in ordered]


def _add_time(
    table: Table,
    known: Sequence[tuple[Trial, Estimate]],
    jobs: Sequence[tuple[float, float]],
    capacity: float,
    unit: str,
) -> None:
    whole = [(seconds + TRIAL_SECONDS, width) for seconds, width in jobs]
    expected = START_SECONDS + makespan(whole, capacity)
    least = START_SECONDS + least_makespan(whole, capacity)
    until = datetime.datetime.now() + datetime.timedelta(seconds=expected)
    told = f"{duration(expected)} on {_units(capacity, unit)}, until {until:%a %d %b %H:%M}"
    table.add_row("time", f"{told}, longest trials first")
    bound = "all work shared out evenly" if least > START_SECONDS + whole[0][0] else "the longest trial"
    table.add_row("", f"{duration(least)} at the least, whatever the order: {bound}")
    table.add_row("longest", f"{known[0][0]}: {duration(whole[0][0])}")


def _units(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _stored_bytes(trial: Trial) -> float | None:
    spec = DATASETS[trial.dataset.name].spec
    if spec.samples is None or spec.classes is None:
        return None
    _, validation, test = spec.samples
    # float32 logits, an id and a label.
    return float((validation + test) * (4 * spec.classes + 16) + ROW_BYTES)


def run_pilots(sweep_name: str, uri: str, overrides: list[str], data: Path | None, console: Console) -> None:
    """Measures some steps of each data set and model of a sweep in this process, and keeps what it finds.

    Raises:
        DataError: A data set that is missing or damaged.
        StoreError: A store that cannot be written.
    """
    import torch

    from trainables.cost import pilot
    from trainables.training.run import default_device

    sweep = load(sweep_name, overrides)
    store = Store(uri)
    store.folder.check_writable()
    device = default_device()
    torch.set_num_threads(max(1, int(sweep.run.cpus_per_trial)))
    first: dict[tuple[str, str, str], Trial] = {}
    for trial in sweep.trials:
        first.setdefault((trial.dataset.label, trial.model.label, trial.training.precision), trial)
    for (dataset, model, precision), trial in first.items():
        measured = pilot(trial, data, device)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        keep(
            store,
            Pilot(
                dataset,
                model,
                precision,
                measured.seconds_per_epoch,
                measured.device,
                measured.peak_memory_gib,
                now,
            ),
        )
        seconds = measured.seconds_per_epoch
        told = f"{seconds:.2f} s" if seconds < 60 else duration(seconds)
        line = f"pilot: {dataset} / {model}: an epoch takes {told} on {measured.device}"
        console.print(line, highlight=False, soft_wrap=True)
