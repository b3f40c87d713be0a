"""Prints the cost of the remaining trials."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from orchestrator.cluster.estimates import GUESSED_FLOPS_PER_SECOND
from orchestrator.use_cases.cost import Cost, Schedule
from results.store.pilots import Pilot
from results.wording import counted, duration, size, work

BASES = {
    "finished trials": "by finished trials of the same data set and model",
    "pilot": "by a pilot",
    "card": "as measured on {}",
    "operations": "scaled by operations from {}",
    "guess": "guessed from the network's operations at {} TFLOP/s per {}",
}


def print_cost(cost: Cost, console: Console) -> None:
    """Prints hours, time, storage and money, one line each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for row, text in enumerate(_to_go(cost)):
        table.add_row("" if row else "remaining", text)
    if cost.schedule:
        for head, text in _times(cost.schedule, cost.unit):
            table.add_row(head, text)
    elif cost.unit == "GPU" and cost.prices.gpus is None:
        table.add_row("time", "add --gpus N to estimate the time on N GPUs")
    if cost.stored_bytes is not None:
        table.add_row("storage", size(cost.stored_bytes))
    if cost.price is not None:
        table.add_row("price", f"{cost.price:,.2f} at {cost.prices.per_gpu_hour:g} an hour")
    console.print()
    console.print(table, highlight=False, soft_wrap=True)
    if cost.over_budget:
        over = f"{work(cost.hours, cost.unit)} exceed the budget of {cost.prices.budget_gpu_hours:,g}."
        console.print(over, style="bad", highlight=False)


def print_pilot(pilot: Pilot, console: Console) -> None:
    seconds = pilot.seconds_per_epoch
    length = f"{seconds:.2f} s" if seconds < 60 else duration(seconds)
    line = f"pilot: {pilot.dataset} / {pilot.model}: an epoch takes {length} on {pilot.device}"
    console.print(line, highlight=False, soft_wrap=True)


def _to_go(cost: Cost) -> Iterator[str]:
    """The number of estimates from each source, then of trials without one."""
    rate = f"{GUESSED_FLOPS_PER_SECOND[cost.unit] / 1e12:g}"
    for place, basis in enumerate(cost.basis):
        all_of_it = f"{counted(cost.known, 'trial')}, {work(cost.hours, cost.unit)}: " if not place else ""
        source = BASES[basis.source].format(*([basis.measured] if basis.measured else [rate, cost.unit]))
        yield f"{all_of_it}{basis.trials} {source}"
    if cost.unknown:
        unknown = f"{counted(cost.unknown, 'trial')} without an estimate: measure them with --pilot"
        yield f"and {unknown}" if cost.known else unknown


def _times(schedule: Schedule, unit: str) -> Iterator[tuple[str, str]]:
    until = datetime.datetime.now() + datetime.timedelta(seconds=schedule.seconds)
    on = f"{schedule.units:g} {unit}{'' if schedule.units == 1 else 's'}"
    text = f"{duration(schedule.seconds)} on {on}, until {until:%a %d %b %H:%M}"
    yield "time", f"{text}, longest trials first"
    bound = "the longest trial" if schedule.longest_bounds else "all work divided evenly"
    yield "", f"at least {duration(schedule.least_seconds)} in any order: {bound}"
    yield "longest", f"{schedule.longest}: {duration(schedule.longest_seconds)}"
