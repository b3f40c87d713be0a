"""`calibsweep run`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.cluster.estimates import Estimates, longest_first
from orchestrator.cluster.jobs import LAUNCHED_VARIABLE
from orchestrator.commands import copied
from orchestrator.driver.bfloat16 import slow_bfloat16
from orchestrator.driver.errors import StartError
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.run import run_missing, to_run
from orchestrator.driver.stop_request import StopRequest
from orchestrator.screen.terminal import busy
from orchestrator.use_cases import compaction
from orchestrator.use_cases.changed_code import changed_code
from results import gpu_records
from results.store import running, scored_sets
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.mending import mend, mending
from results.store.pilots import kept
from results.store.store import Store
from results.store.survey import State
from results.store.survey import survey as take_survey
from results.wording import counted
from sweeps.expand import Sweep, load
from trainables.datasets import default_root
from trainables.trial import Trial

if TYPE_CHECKING:
    import pandas as pd


def run(
    sweep_name: str,
    uri: str,
    overrides: list[str],
    data: Path | None,
    address: str | None,
    retry_failed: bool,
    request: StopRequest,
    console: Console,
) -> int:
    """Runs what is missing of a sweep and prints its tables. Returns the exit code: 0, or 1 if any failed.

    `request` ends it early.
    """
    given = {
        "sweep": sweep_name,
        "store": uri,
        "address": address,
        "overrides": overrides,
        "data": data,
        "retry_failed": retry_failed,
        **json.loads(os.environ.get(LAUNCHED_VARIABLE, "{}")),
    }
    sweep = load(sweep_name, overrides)
    store = Store(uri)
    with busy(console, f"looking at what the store {uri} has of {sweep.name}"):
        snapshot = store.snapshot(sweep.trials, thorough=True)
        survey = take_survey(snapshot, sweep.trials)
        found = mending(store, sweep.trials)
        survey = found.added_to(survey)
    done = survey.count(State.DONE)
    wanted = to_run(sweep.trials, survey, retry_failed)
    failed_before = 0 if retry_failed else survey.count(State.FAILED)
    if wanted or survey.damaged or survey.leftover or found.looked_at:
        store.folder.check_writable()
    for key, paths in survey.damaged.items():
        line = f"damaged, set aside and made again: {', '.join(paths)} (trial {key})"
        console.print(line, style="warning", soft_wrap=True)
    for path in found.others(survey):
        console.print(f"damaged, set aside: {path}", style="warning", soft_wrap=True)
    for path, wrong in found.differing.items():
        console.print(f"scored anew from its logits: {path} ({wrong})", style="warning", soft_wrap=True)
    stuck = mend(store, survey, found)
    for why in stuck.values():
        console.print(f"{why} Its trial is left for the next run.", style="warning", soft_wrap=True)
    wanted = [trial for trial in wanted if trial.key not in stuck]
    if survey.damaged or found.looked_at:
        snapshot = snapshot.again()
    store.tidying.tell = lambda line: console.print(line, style="warning", highlight=False, soft_wrap=True)
    checkpoints = StoredCheckpoints(store)
    for key in survey.leftover:
        checkpoints.delete(key)
    compaction.tell(store, snapshot, console)
    console.print(_opening(sweep, store, len(wanted), done, failed_before), highlight=False)
    if address is None and (slow := slow_bfloat16(sweep, wanted)):
        console.print(slow, style="warning", highlight=False, soft_wrap=True)
    frame = snapshot.trials() if done or len(wanted) > 1 else None
    if frame is not None:
        for line in changed_code(sweep.trials, frame, data or default_root()):
            console.print(line, style="warning", soft_wrap=True)
    outcome = Outcome(left=len(wanted))
    if wanted:
        # Of a driver that is no job the store alone knows, wherever the trials run.
        elsewhere = given if "cluster" in given else {**given, "address": None}
        line = f"To look at it from another terminal: {copied.typed('status', elsewhere)}"
        console.print(line, style="quiet", soft_wrap=True)
        if frame is not None:
            wanted = longest_first(wanted, _estimates(sweep, store, wanted, frame, count=True))
        expected = _estimates(sweep, store, wanted, frame, count=False).seconds
        outcome = run_missing(
            sweep, wanted, store, data or default_root(), console, request, done, address, expected
        )
    if outcome.store_error or outcome.worker_error:
        here = _kept(sweep, store, done + outcome.done)
        kept_ = f"{here} of {counted(len(sweep.trials), 'trial')} are kept."
        if outcome.store_error:
            raise StoreError(f"{outcome.store_error} {kept_}")
        raise StartError(f"a worker cannot start: {outcome.worker_error}. {kept_}")
    outcome.left += len(stuck)
    failed = failed_before + outcome.failed
    if done + outcome.done:
        from orchestrator.screen.tables import print_written
        from orchestrator.use_cases import tables

        print_written(tables.write(sweep, store, snapshot.again() if wanted else snapshot), console)
    # After the tables, which are files of the store too.
    if wanted or survey.leftover or store.folder.has_markers:
        _tidy(store, sweep, checkpoints)
    _closing(given, outcome, done + outcome.done, failed, console)
    return 1 if failed or outcome.left else 0


def _estimates(
    sweep: Sweep, store: Store, wanted: list[Trial], frame: pd.DataFrame | None, count: bool
) -> Estimates:
    import pandas as pd

    on_gpu = any(sweep.gpus[trial.key] > 0 for trial in wanted)
    finished = pd.DataFrame() if frame is None else frame
    card = gpu_records.chosen(None) if on_gpu else None
    return Estimates(finished, kept(store), on_gpu, sweep.gpus, card, count=count)


def _tidy(store: Store, sweep: Sweep, checkpoints: StoredCheckpoints) -> None:
    """Tries again to delete what trials could not: nothing of an ended sweep lies about."""

    def tidy() -> None:
        left = {info.path.split("/")[1] for info in store.folder.list("checkpoints")}
        for trial in sweep.trials:
            if trial.key in left and store.is_done(trial) and not scored_sets.lacking(store.folder, trial):
                checkpoints.delete(trial.key)
        running.withdraw(store)
        store.folder.delete_stale_temporaries()

    store.tidying.attempt(tidy)


def _kept(sweep: Sweep, store: Store, told: int) -> int:
    """How many trials are done. Some ended after the driver had stopped listening."""
    try:
        return store.survey(sweep.trials).count(State.DONE)
    except StoreError:
        return told


def _opening(sweep: Sweep, store: Store, wanted: int, done: int, failed: int) -> str:
    parts = [
        f"{sweep.name}: {counted(len(sweep.trials), 'trial')}",
        f"{done} done before",
        f"{wanted} to run",
    ]
    if failed:
        parts.append(f"{failed} failed before (--retry-failed tries them again)")
    return f"{', '.join(parts)}. Store: {store.uri}"


def _closing(given: Mapping[str, Any], outcome: Outcome, done: int, failed: int, console: Console) -> None:
    """What is left, and what comes next: of that only what can be done already."""
    if outcome.left:
        told = f"Interrupted with {counted(outcome.left, 'trial')} left. To go on:"
        console.print(told, style="warning")
        copied.show(console, copied.typed("launch" if "cluster" in given else "run", given))
    if failed:
        console.print(f"{counted(failed, 'trial')} failed. Why:", style="warning")
        copied.show(console, copied.typed("plan", given, failures=True))
    if done:
        console.print("\nNext:", style="bold")
        for line, told in (
            (
                copied.typed("tables", given, format="latex"),
                "these tables for a paper (also md, html, csv)",
            ),
            (
                copied.typed("store verify", given),
                "every file, and every score again from the stored logits",
            ),
            (copied.typed("list", {}, kind="losses"), "what there is; to add one: docs/adding-a-loss.md"),
        ):
            copied.show(console, line, told)
