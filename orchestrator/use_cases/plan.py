"""`calibsweep plan`: what would run, from the store and the sweep file alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from orchestrator.driver.bfloat16 import slow_bfloat16
from orchestrator.driver.run import to_run
from orchestrator.screen.grid import Grid
from orchestrator.screen.view import standing_still
from orchestrator.use_cases import compaction, cost
from orchestrator.use_cases.changed_code import changed_code
from orchestrator.use_cases.cost import Prices
from results import gpu_records
from results.store.checkpoints import moments_set_aside
from results.store.mending import mending
from results.store.pilots import kept
from results.store.running import Running, overlaid, running
from results.store.store import Store
from results.store.survey import State, Survey
from results.store.survey import survey as take_survey
from results.wording import counted
from sweeps.expand import Sweep, load
from trainables.datasets import default_root
from trainables.texts import visible
from trainables.trial import Trial

STYLES = {
    State.DONE: "good",
    State.RUNNING: "running",
    State.FAILED: "bad",
    State.INTERRUPTED: "warning",
    State.MISSING: "quiet",
}


def show(
    sweep_name: str,
    uri: str,
    overrides: list[str],
    failures: bool,
    prices: Prices,
    console: Console,
    may_be_new: bool = False,
) -> int:
    """Prints a sweep's trials by state and by cell, and what is left to pay. Starts and changes nothing.

    Args:
        may_be_new: The store need not be there yet.

    Returns the exit code: 0, or 1 if the rest costs more than the budget.

    Raises:
        ConfigurationError: An option that does not fit the sweep.
        StoreError: There is no such store, or it cannot be read.
    """
    sweep = load(sweep_name, overrides)
    prices.check_for(sweep)
    gpu_records.chosen(prices.card)
    store = Store(uri)
    if not may_be_new:
        store.check_place()
    return view(sweep, store, running(store), failures, prices, console)


def view(
    sweep: Sweep,
    store: Store,
    runs: Mapping[str, Running],
    failures: bool,
    prices: Prices,
    console: Console,
) -> int:
    """What `show` prints and returns, of a sweep that is loaded.

    Args:
        runs: What runs at this moment, by key.

    Raises:
        StoreError: The store cannot be read.
    """
    found = mending(store, sweep.trials)
    snapshot = store.snapshot(sweep.trials, thorough=True)
    stored = found.added_to(take_survey(snapshot, sweep.trials))
    survey = overlaid(stored, runs)
    counts = {state: survey.count(state) for state in State}
    told = Text.assemble((sweep.name, "bold"), f": {counted(len(sweep.trials), 'trial')}")
    for state, count in counts.items():
        if count:
            told.append(f", {count} {state}", style=STYLES[state])
    console.print(told)
    if not store.folder.is_local and counts[State.MISSING] == len(sweep.trials) and store.folder.is_empty():
        # A folder's name that is misspelt is a new folder in a bucket.
        line = f"There is nothing yet in {store.folder.name('')}"
        console.print(line, style="warning", highlight=False, soft_wrap=True)
    for dataset in dict.fromkeys(trial.dataset.label for trial in sweep.trials):
        console.print()
        console.print(_cells(dataset, [t for t in sweep.trials if t.dataset.label == dataset], survey))
    for trial in sweep.trials:
        quiet = runs[trial.key].quiet_seconds if survey.states[trial.key] == State.RUNNING else None
        if quiet is not None:
            still = f"{trial} stands still: {standing_still(quiet)} (run.stalled_minutes)"
            console.print(still, style="warning", highlight=False, soft_wrap=True)
    for key, paths in survey.damaged.items():
        line = f"damaged: {', '.join(paths)}; run sets it aside and makes trial {key} again."
        console.print(line, style="warning", soft_wrap=True)
    for path in found.others(stored):
        console.print(f"damaged: {path}; run sets it aside.", style="warning", soft_wrap=True)
    for path, wrong in found.differing.items():
        line = f"scores that do not follow from their logits: {path} ({wrong}); run scores it anew."
        console.print(line, style="warning", soft_wrap=True)
    set_aside = {} if survey.count(State.DONE) == len(sweep.trials) else moments_set_aside(store)
    for trial in sweep.trials:
        if trial.key in set_aside and survey.states[trial.key] != State.DONE:
            which = ", ".join(set_aside[trial.key])
            line = f"{trial}: a checkpoint could not be used and is in damaged/: that of {which}"
            console.print(line, style="warning", highlight=False, soft_wrap=True)
    _show_failures(sweep, survey, failures, console)
    frame = snapshot.trials()
    for line in changed_code(sweep.trials, frame, default_root()):
        console.print(line, style="warning", soft_wrap=True)
    compaction.tell(store, snapshot, console)
    wanted = to_run(sweep.trials, stored, retry_failed=False)
    if slow := slow_bfloat16(sweep, wanted):
        console.print(slow, style="warning", highlight=False, soft_wrap=True)
    if not wanted:
        return 0
    card = gpu_records.chosen(prices.card)
    return cost.show(sweep, wanted, frame, kept(store), card, prices, console)


def _cells(dataset: str, trials: Sequence[Trial], survey: Survey) -> Grid:
    """Rows: losses. Columns: models. Each cell: finished of all, and what else there is."""
    cells: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    for trial in trials:
        cells[trial.loss.label, trial.model.label][survey.states[trial.key]] += 1
    models = list(dict.fromkeys(trial.model.label for trial in trials))
    rows = [
        [Text(visible(loss)), *(_cell(cells[loss, model]) for model in models)]
        for loss in dict.fromkeys(trial.loss.label for trial in trials)
    ]
    return Grid([dataset, *models], rows)


def _cell(counts: Counter[State]) -> Text:
    if not counts:
        return Text("-", style="quiet")
    total = counts.total()
    text = Text(f"{counts[State.DONE]}/{total}", style="good" if counts[State.DONE] == total else "")
    for state in (State.RUNNING, State.FAILED, State.INTERRUPTED):
        if counts[state]:
            text.append(f" {counts[state]} {state}", style=STYLES[state])
    return text


def _show_failures(sweep: Sweep, survey: Survey, tracebacks: bool, console: Console) -> None:
    for trial in sweep.trials:
        failure = survey.failures.get(trial.key)
        if failure is None or survey.states[trial.key] == State.DONE:
            continue
        line = f"{failure.failure_class} (attempt {failure.attempt}): {trial}: {failure.message}"
        console.print(line, style="bad", highlight=False, soft_wrap=True)
        if tracebacks and failure.traceback:
            console.print(failure.traceback, style="quiet", highlight=False, soft_wrap=True)
