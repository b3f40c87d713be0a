"""Prints the state of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screen import warnings
from orchestrator.screen.cost import print_cost
from orchestrator.screen.grid import Grid
from orchestrator.screen.view import standing_still
from orchestrator.use_cases.plan import Cell, FailedTrial, Plan
from results.store.survey import State
from results.tables import names
from results.wording import counted
from trainables.texts import visible

STYLES = {
    State.DONE: "good",
    State.RUNNING: "running",
    State.FAILED: "bad",
    State.INTERRUPTED: "warning",
    State.MISSING: "quiet",
}


def print_plan(plan: Plan, console: Console, tracebacks: bool = False) -> None:
    """Prints trials by state and by cell, everything that needs attention, and the cost of the rest."""
    summary = Text.assemble((plan.sweep, "bold"), f": {counted(plan.trials, 'trial')}")
    for state, count in plan.counts.items():
        if count:
            summary.append(f", {count} {state}", style=STYLES[state])
    console.print(summary)
    if plan.store_is_empty:
        console.print(f"No results yet in {plan.store}", style="warning", highlight=False, soft_wrap=True)
    for dataset in dict.fromkeys(cell.dataset for cell in plan.cells):
        console.print()
        console.print(_grid(dataset, [cell for cell in plan.cells if cell.dataset == dataset]))
    for line in _attention(plan):
        console.print(line, style="warning", highlight=False, soft_wrap=True)
    for failure in plan.failures:
        _print_failure(failure, tracebacks, console)
    for line in _warnings(plan):
        console.print(line, style="warning", highlight=False, soft_wrap=True)
    if plan.cost:
        print_cost(plan.cost, console)
    if plan.power is not None:
        from orchestrator.screen.power import print_power

        print_power(plan.power, console)


def print_running(plan: Plan, console: Console) -> None:
    """Prints a line per running trial."""
    if not plan.running:
        console.print(f"No trial of {plan.sweep} is running.")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for run in plan.running:
        quiet = "" if run.quiet_seconds is None else standing_still(run.quiet_seconds)
        table.add_row(run.trial, f"{run.epoch}/{run.epochs} epochs", quiet)
    console.print(f"{counted(len(plan.running), 'trial')} of {plan.sweep} running:")
    console.print(table)


def _attention(plan: Plan) -> Iterator[str]:
    for run in plan.running:
        if run.quiet_seconds is not None:
            yield f"{run.trial} is stalled: {standing_still(run.quiet_seconds)} (run.stalled_minutes)"
    for key, paths in plan.damaged.items():
        yield f"damaged: {', '.join(paths)}. The next run moves it to damaged/ and trains {key} again."
    for path in plan.damaged_besides:
        yield f"damaged: {path}. The next run moves it to damaged/."
    for path, wrong in plan.differing.items():
        yield f"scores that differ from the stored logits: {path} ({wrong}). The next run corrects them."
    for trial, moments in plan.unusable_checkpoints.items():
        yield f"{trial}: an unusable checkpoint was moved to damaged/: {', '.join(moments)}"


def _warnings(plan: Plan) -> Iterator[str]:
    yield from warnings.changed_code(plan.changed_code)
    yield from warnings.loose_rows(plan.store, plan.loose_rows)
    yield from warnings.slow_bfloat16(plan.slow_in_bfloat16)


def _grid(dataset: str, cells: Sequence[Cell]) -> Grid:
    """Rows are losses and samplers, columns models. A cell counts done of all trials, then others."""
    counts = {(cell.loss, cell.sampler, cell.model): cell.counts for cell in cells}
    models = list(dict.fromkeys(cell.model for cell in cells))
    rows = [
        [
            Text(visible(names.method(loss, sampler))),
            *(_cell(counts.get((loss, sampler, model), {})) for model in models),
        ]
        for loss, sampler in dict.fromkeys((cell.loss, cell.sampler) for cell in cells)
    ]
    return Grid([dataset, *models], rows)


def _cell(counts: Mapping[State, int]) -> Text:
    if not counts:
        return Text("-", style="quiet")
    total, done = sum(counts.values()), counts.get(State.DONE, 0)
    text = Text(f"{done}/{total}", style="good" if done == total else "")
    for state in (State.RUNNING, State.FAILED, State.INTERRUPTED):
        if counts.get(state):
            text.append(f" {counts[state]} {state}", style=STYLES[state])
    return text


def _print_failure(failure: FailedTrial, traceback: bool, console: Console) -> None:
    line = f"{failure.failure_class} (attempt {failure.attempt}): {failure.trial}: {failure.message}"
    console.print(line, style="bad", highlight=False, soft_wrap=True)
    if traceback and failure.traceback:
        console.print(failure.traceback, style="quiet", highlight=False, soft_wrap=True)
