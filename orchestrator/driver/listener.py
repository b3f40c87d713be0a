"""Forwards Tune's events to the progress display, the queue and the store."""

from __future__ import annotations

import socket
from typing import Any

from ray.tune import Callback

from orchestrator.driver.blame import DEATHS, Blame
from orchestrator.driver.deaths import Death, autopsy, living_nodes
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.progress import Progress
from orchestrator.driver.queue import TrialQueue
from orchestrator.driver.reports import (
    Done,
    Failed,
    Pruned,
    Report,
    Running,
    Stopped,
    StoreLost,
    StoreRefused,
)
from orchestrator.driver.worker_check import failed_start
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.store import Store
from results.store.tidying import NOTE
from results.wording import counted
from trainables.trial import Trial


class Listener(Callback):
    """Forwards Tune's events to the progress display and the queue, and records deaths.

    Args:
        errors: Tune's errors for ended processes, from `errors_of_trials`.
        patience_seconds: Initial stall limit of a trial.
    """

    def __init__(
        self,
        progress: Progress,
        store: Store,
        outcome: Outcome,
        queue: TrialQueue,
        errors: dict[str, Exception],
        patience_seconds: float,
    ):
        self.patience_seconds = patience_seconds
        self.errors = errors
        self.blame = Blame(living_nodes)
        self.progress = progress
        self.store = store
        self.outcome = outcome
        self.queue = queue
        self.checkpoints = StoredCheckpoints(store)
        self.reported_cells: set[str] = set()

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.progress.print_if_due()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        started: Trial = trial.config["trial"]
        self.queue.started(started)
        self.progress.start(started, self.patience_seconds)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        started: Trial = trial.config["trial"]
        key = started.key
        report: Report = result["report"]
        self.blame.runs(key, report.node)
        for note in report.notes:
            if note.kind == NOTE:
                self.store.tidying.warn_once(note.text)
            else:
                self.progress.note(note.text)
        match report:
            case Running(latest, patience):
                error = latest.curves.get("validation_error")
                self.progress.epoch(key, latest.epoch, patience, latest.seconds_per_epoch, error)
            case Done(summaries=summaries, left=left):
                if left:
                    self._report_left(started, ", ".join(left))
                numbers = "but another result was committed first and is kept"
                if summaries is not None:
                    part = self.queue.source.part
                    place = "" if part == "test" else f"{part} "
                    shown = summaries[part].items()
                    numbers = ", ".join(f"{place}{name} {value:.2%}" for name, value in shown)
                self._settle(started, report, f"done, {numbers}")
            case Pruned(latest=latest, left=left):
                if left:
                    self._report_left(started, ", ".join(left))
                self._settle(started, report, f"stopped early, after {counted(latest.epoch, 'epoch')}")
            case Failed():
                self._settle(started, report, f"{report.failure_class}: {report.message}")
            case Stopped():
                self.blame.ended(key)
                self.progress.stop(key)
            case StoreRefused(message):
                self._lost_store(started, message, ended=False)
            case StoreLost(message, kept):
                self._lost_store(started, message, ended=True, kept=kept)

    def _lost_store(self, trial: Trial, why: str, ended: bool, kept: bool = False) -> None:
        """Ends all running trials, since their results cannot be stored.

        Progress since the last checkpoints survives if the store returns for a moment.
        """
        if self.outcome.store_error is None:
            self.outcome.store_error = why
            self.progress.note(why)
        elif ended and not kept:
            self.progress.note(f"{trial}: cannot save a checkpoint: {why}")
        if ended:
            self.progress.stop(trial.key)
        self.queue.request.ask()

    def _report_left(self, trial: Trial, left: str) -> None:
        """Reports the state that trials leave in their processes, once per data set, model and loss."""
        cell = f"{trial.dataset.label} / {trial.model.label} / {trial.loss.label}"
        if cell not in self.reported_cells:
            self.reported_cells.add(cell)
            self.progress.note(
                f"{cell} changed its process: {left}. The process is replaced after each such trial."
            )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Handles the death of a process or node."""
        died: Trial = trial.config["trial"]
        error = self.errors.pop(trial.trial_id, None)
        if reason := failed_start(str(error)):
            # A retry would fail in the same way, for any trial.
            self.progress.stop(died.key)
            self.outcome.worker_error = self.outcome.worker_error or reason
            self.queue.request.ask()
            return
        try:
            self._record(died, autopsy(error))
        except StoreError as store_error:
            self._lost_store(died, str(store_error), ended=True)

    def _record(self, trial: Trial, death: Death) -> None:
        key = trial.key
        run = self.progress.running.get(key)
        if self.queue.request.requested_at is not None:
            # It was terminated together with us, so it counts as interrupted.
            self.progress.stop(key)
            return
        # The process may have completed more epochs than it has reported.
        done = max(run.epoch if run else 0, self.checkpoints.epochs_done(key))
        deaths, pause = self.queue.died(trial, done)
        own = self.blame.died(key, death, deaths)
        failed = death.at_once or own >= DEATHS
        failure_class = death.failure_class if failed else "preempted"
        message = death.message if death.at_once or not failed else f"{death.message}, {own} times in a row"
        failure = Failed(failure_class, message, death.traceback, socket.gethostname())
        self.store.record_failure(trial, failure_class, message, failure.traceback, failure.host)
        if failed:
            if death.by_code:
                self.checkpoints.forbid(key)
            self._settle(trial, failure, f"{failure_class}: {message}")
        else:
            self.progress.stop(key)
            self.progress.note(f"{trial}: {death.message}; it resumes in {pause:.0f} s")

    def _settle(self, trial: Trial, result: Done | Failed | Pruned, outcome: str) -> None:
        self.queue.settled(trial, result)
        self.blame.ended(trial.key)
        self.progress.finish(trial.key, outcome, failed=isinstance(result, Failed))
