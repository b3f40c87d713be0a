"""Runs the missing trials of a sweep and writes its tables.

To recover from any crash, on any machine, run the same command again. There is no other recovery.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cluster.estimates import longest_first
from orchestrator.driver.assignment import Assignment
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.progress import Progress, unseen
from orchestrator.driver.run import run_trials
from orchestrator.driver.stop_request import StopRequest
from orchestrator.use_cases import report, tables
from orchestrator.use_cases.changed_code import ChangedCode, changed_code
from orchestrator.use_cases.standing import Standing
from orchestrator.use_cases.tables import Written
from results.store import running
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.store import Store
from results.store.survey import State
from results.wording import counted
from sweeps.expand import load
from trainables.datasets import default_root
from trainables.trial import Trial


@dataclass(frozen=True)
class Opening:
    """The state of a sweep before the first trial runs.

    Attributes:
        store: Its folder or URI.
        trials: Number of trials of the sweep.
        done: Number of trials done before.
        to_run: Number of trials that this run will train.
        failed: Number of trials that failed before by their own fault and are not retried.
        damaged: Files set aside, by key of the trial that is repeated.
        damaged_besides: Other files set aside.
        rescored: Rows that were rescored from their logits, and the differences.
        stuck: Why a trial's damaged files could not be moved, by key. The next run retries it.
        changed_code: Components whose code has changed since finished trials.
        slow_in_bfloat16: Number of trials to run that are slow on this machine's CPU.
    """

    sweep: str
    store: str
    trials: int
    done: int
    to_run: int
    failed: int
    damaged: Mapping[str, tuple[str, ...]]
    damaged_besides: tuple[str, ...]
    rescored: Mapping[str, str]
    stuck: Mapping[str, str]
    changed_code: tuple[ChangedCode, ...]
    slow_in_bfloat16: int


@dataclass(frozen=True)
class Ran:
    """How a run ended.

    Attributes:
        done, failed: Number of such trials of the sweep, earlier runs included.
        left: Number of trials still to run: the run was interrupted, or their damaged files cannot be moved.
        tables: None if no trial is done.
        report: Full name of the report page; None if no trial is done, or it cannot be made.
    """

    sweep: str
    store: str
    trials: int
    done: int
    failed: int
    left: int
    tables: Written | None
    report: str | None

    @property
    def complete(self) -> bool:
        """Whether every trial of the sweep is done."""
        return not self.failed and not self.left


class Observer:
    """Observes a run. This one shows nothing."""

    def busy(self, doing: str) -> AbstractContextManager[None]:
        """Marks a slow step for the duration of the context."""
        return contextlib.nullcontext()

    def opened(self, opening: Opening) -> None:
        """Called before the first trial runs."""

    def warn(self, line: str) -> None:
        """Called with a warning, from any thread."""

    def progress(self, trials: list[Trial], done: int, expected: Callable[[Trial], float | None]) -> Progress:
        """Returns the progress display of the trials that will run.

        Args:
            done: Number of trials of the sweep done before.
            expected: As for `Progress`.
        """
        return Progress(trials, done, unseen(), expected)


def run(
    sweep: str,
    store: str = "store",
    overrides: Sequence[str] = (),
    *,
    data: Path | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    observer: Observer | None = None,
    request: StopRequest | None = None,
) -> Ran:
    """Runs the missing trials of a sweep, waits until they have ended, and writes the tables.

    Args:
        sweep: A sweep file, or the name of a bundled one.
        overrides: Settings as for --set: 'training.epochs=3'.
        data: Folder of the data sets, on the machines that train.
        address: A Ray cluster ('auto', 'ray://...'); None to start Ray on this machine.
        retry_failed: Also run trials that failed by their own fault.
        request: Ends the run early, with a checkpoint of every running trial.

    Raises:
        ConfigurationError: The sweep is invalid, or the cluster lacks resources that a trial needs.
        DataError: A data set is missing or damaged.
        StartError: Ray or a worker cannot start.
        StoreError: The store can no longer be read or written.
    """
    observer, request = observer or Observer(), request or StopRequest()
    data = data or default_root()
    # Before the sweep is loaded, with plug-ins of its own.
    tables_again, report_again = (
        tables.command_of(store, sweep, overrides=overrides, name=name) for name in ("tables", "report")
    )
    standing = Standing(load(sweep, overrides), Store(store))
    place = standing.store
    place.tidying.warn = observer.warn
    with observer.busy(f"reading the store {store}"):
        to_run = standing.to_run(retry_failed)
        if to_run or standing.to_mend or standing.survey.leftover:
            place.folder.check_writable()
        stuck = standing.mend()
        to_run = [trial for trial in to_run if trial.key not in stuck]
        checkpoints = StoredCheckpoints(place)
        for key in standing.survey.leftover:
            checkpoints.delete(key)
        opening = Opening(
            sweep=standing.sweep.name,
            store=store,
            trials=len(standing.sweep.trials),
            done=standing.done,
            to_run=len(to_run),
            failed=0 if retry_failed else standing.survey.count(State.FAILED),
            damaged=standing.survey.damaged,
            damaged_besides=tuple(standing.found.others(standing.survey)),
            rescored=standing.found.differing,
            stuck=stuck,
            changed_code=changed_code(standing, data),
            slow_in_bfloat16=standing.slow_in_bfloat16(to_run) if address is None else 0,
        )
    observer.opened(opening)
    outcome = Outcome()
    if to_run:
        estimates = standing.estimates(to_run)
        to_run = longest_first(to_run, estimates)
        # Stop counting operations, which loads torch: this process trains nothing.
        estimates.count = False
        progress = observer.progress(to_run, opening.done, estimates.seconds)
        assignment = Assignment.of(standing.sweep, to_run, place, data)
        outcome = run_trials(assignment, progress, request, address)
        standing.read_again()
    done = opening.done + outcome.done
    if outcome.aborted:
        raise outcome.error(_kept(standing, done))
    built = tables.built(standing) if done else None
    written = tables.write(standing, built, tables_again) if built else None
    place.copy_loose(standing.snapshot)
    page = _report(standing, built, report_again, bool(to_run), observer) if built else None
    # After the tables, since they are also files of the store.
    if to_run or standing.survey.leftover or place.folder.has_markers:
        place.tidying.attempt(lambda: _tidy(standing, checkpoints))
    return Ran(
        sweep=standing.sweep.name,
        store=store,
        trials=opening.trials,
        done=done,
        failed=opening.failed + outcome.failed,
        left=outcome.left + len(stuck),
        tables=written,
        report=page,
    )


def _report(
    standing: Standing,
    built: tables.BuiltTables,
    command: str,
    ran: bool,
    observer: Observer,
) -> str | None:
    """Writes the report page, unless there is one and no trial ran: it reads all logits and curves.

    The results are safe by now, so no error of the page ends the run.
    """
    path = report.path_of(standing.sweep)
    try:
        if not ran and any(info.path == path for info in standing.snapshot.listed(report.FOLDER)):
            return standing.store.folder.name(path)
        with observer.busy("making the report"):
            return report.write(standing, built, command)
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        observer.warn(f"the report cannot be made: {why}")
        return None


def _kept(standing: Standing, counted_done: int) -> str:
    """How many trials an aborted run leaves in the store."""
    try:
        # Some trials ended after the driver had stopped listening.
        done = len(standing.finished)
    except StoreError:
        done = counted_done
    return f"{done} of {counted(len(standing.sweep.trials), 'trial')} are kept."


def _tidy(standing: Standing, checkpoints: StoredCheckpoints) -> None:
    """Deletes leftovers of trials, so that none remain after a sweep."""
    store = standing.store
    left = {info.path.split("/")[1] for info in store.folder.list("checkpoints")}
    for key in left & standing.finished if left else ():
        checkpoints.delete(key)
    running.withdraw(store)
    store.folder.delete_stale_temporaries()
