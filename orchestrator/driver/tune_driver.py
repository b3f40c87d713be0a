"""The part of a run that talks to Ray Tune: hands it the trials, and listens."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback, CheckpointConfig
from ray.tune.stopper import Stopper

from orchestrator.cluster.placement import Needs
from orchestrator.driver import notices, ray_private
from orchestrator.driver.blame import DEATHS, Blame
from orchestrator.driver.deaths import Death, autopsy, errors_of_trials, living_nodes
from orchestrator.driver.heartbeat import heartbeat
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.progress import Progress
from orchestrator.driver.queue import TrialQueue
from orchestrator.driver.ray_trainable import RayTrial
from orchestrator.driver.reports import Done, Failed, Report, Running, Stopped, StoreLost, StoreRefused
from orchestrator.driver.stalls import first_patience
from orchestrator.driver.stop_request import STOP_SECONDS, StopRequest
from orchestrator.driver.trackers import callbacks
from orchestrator.driver.worker import WorkerSettings
from orchestrator.driver.worker_check import failed_start
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.store import Store
from results.store.tidying import NOTE
from sweeps.expand import Sweep
from trainables.registry.plugins import PLUGINS
from trainables.trial import Trial


def fit(
    sweep: Sweep,
    trials: list[Trial],
    store: Store,
    data_root: Path,
    progress: Progress,
    scratch: Path,
    source_commit: str,
    request: StopRequest,
) -> Outcome:
    """Runs `trials` to their ends on the Ray that is connected, in their order.

    `request` ends it early, with a checkpoint of each trial that runs.
    """
    run = sweep.run
    settings = WorkerSettings(
        store=store.folder.root if store.folder.is_local else store.uri,
        data_root=str(data_root.absolute()),
        checkpoint_every=run.checkpoint_every,
        checkpoint_minutes=run.checkpoint_minutes,
        hours_per_trial=run.hours_per_trial,
        stalled_minutes=run.stalled_minutes,
        threads=max(1, int(run.cpus_per_trial)),
        source_commit=source_commit,
        run=f"{sweep.name}-{uuid.uuid4()}",
        plugins=PLUGINS.files,
    )
    by_key = {trial.key: trial for trial in trials}
    cpus = run.cpus_per_trial
    configs = {trial.key: {"gpus": sweep.gpus[trial.key], **_told(trial)} for trial in trials}
    queue = TrialQueue(configs, {key: Needs.of(sweep.gpus[key], cpus) for key in by_key}, request)
    outcome = Outcome()
    stop = Stop(request, progress, outcome, settings.run)
    watchers = callbacks(run.watch, sweep.name, store, by_key, progress.tell)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    trainable = tune.with_resources(
        tune.with_parameters(RayTrial, settings=settings, trials=by_key),
        # Of this and of `_name` Tune keeps a copy for each trial: with all that they refer to.
        lambda config: reservation(Needs.of(config["gpus"], cpus)),
    )
    try:
        with (
            errors_of_trials() as errors,
            heartbeat(store, settings.run, progress.standing),
            _through_client(scratch, progress),
            ray_private.actors_ended_unless(lambda last: last.get("reusable", True)),
            # Checkpoints are kept by then, and the actors end with their Ray.
            ray_private.no_cleanup_when(lambda: request.asked is not None),
        ):
            patience = first_patience(run.stalled_minutes)
            listener = Listener(progress, store, by_key, outcome, queue, errors, patience)
            # Not `Tuner`, which has no such option.
            tune.run(
                trainable,
                name="sweep",
                storage_path=str(scratch),
                search_alg=queue,
                trial_name_creator=_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
                num_samples=-1,
                reuse_actors=True,
                callbacks=[listener, *watchers],
                stop=stop,
                # Trials keep their own checkpoints in the store, where any machine finds them.
                checkpoint_config=CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                # Trials come again through the queue.
                max_failures=0,
                raise_on_failed_trial=False,
                verbose=0,
                **ray_private.IN_THIS_PROCESS,
            )
    finally:
        if stop.told:
            notices.withdraw(settings.run)
    outcome.done, outcome.failed, outcome.left = progress.done, progress.failed, len(progress.left)
    return outcome


def _told(trial: Trial) -> dict[str, Any]:
    """What programs that watch are told of a trial, in labels as everywhere."""
    labels = {"dataset": trial.dataset.label, "model": trial.model.label, "loss": trial.loss.label}
    return {**labels, "seed": trial.seed, "protocol": trial.protocol}


def _name(trial: Any) -> str:
    """A trial of Tune's as it is called everywhere else."""
    told = trial.config
    return f"{told['dataset']} / {told['model']} / {told['loss']} / seed {told['seed']}"


@contextlib.contextmanager
def _through_client(scratch: Path, progress: Progress) -> Iterator[None]:
    """Through ray:// Tune keeps its files here, and a connection that breaks is a line."""
    if not ray_private.through_client():
        yield
        return
    with ray_private.session_folder(scratch):
        try:
            yield
        except Exception:
            if ray_private.through_client():
                raise
            progress.note("the connection to the cluster broke")


def reservation(needs: Needs) -> tune.PlacementGroupFactory:
    """What Tune reserves for a trial: a bundle for each of its workers.

    Several are packed on as few nodes as possible. Tune's own actor, which listens to them, takes nothing.
    """
    own: list[dict[str, float]] = [{}] if needs.workers > 1 else []
    return tune.PlacementGroupFactory([*own, *[needs.bundle] * needs.workers], strategy="PACK")


class Stop(Stopper):
    """Ends the sweep early, when it is asked to: by a signal, or since results can no longer be kept.

    Args:
        run: Names the run to its workers.
    """

    def __init__(self, request: StopRequest, progress: Progress, outcome: Outcome, run: str):
        self.request = request
        self.progress = progress
        self.outcome = outcome
        self.run = run
        self.told = False

    def __reduce__(self) -> tuple[type[Stopper], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Stopper, ()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        asked = self.request.asked
        if asked is None:
            return False
        if not self.told:
            notices.ask_to_stop(self.run)
            self.told = True
            if self.progress.running:
                self.progress.note("stopping: each trial that runs keeps a checkpoint first (again: at once)")
        return not self.progress.running or time.monotonic() > asked + STOP_SECONDS


class Listener(Callback):
    """Tells the progress display and the queue what Tune reports, and records what died.

    Args:
        errors: What Tune saw when a trial's process ended, as `errors_of_trials` gives it.
        patience_seconds: How long a trial may stand still at first.
    """

    def __init__(
        self,
        progress: Progress,
        store: Store,
        trials: dict[str, Trial],
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
        self.trials = trials
        self.outcome = outcome
        self.queue = queue
        self.checkpoints = StoredCheckpoints(store)
        self.told: set[str] = set()

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.progress.tell_if_due()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        key = trial.config["key"]
        self.queue.started(key)
        self.progress.start(key, self.patience_seconds)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        key = trial.config["key"]
        report: Report = result["report"]
        self.blame.runs(key, report.node)
        for note in report.notes:
            if note.kind == NOTE:
                self.store.tidying.tell_once(note.text)
            else:
                self.progress.note(note.text)
        match report:
            case Running(latest, patience):
                error = latest.curves.get("validation_error")
                self.progress.epoch(key, latest.epoch, patience, latest.seconds_per_epoch, error)
            case Done(summary=summary, left=left):
                if left:
                    self._tell_left(self.trials[key], ", ".join(left))
                told = "a result that was committed before stands"
                if summary is not None:
                    told = ", ".join(f"{name} {value:.2%}" for name, value in summary.items())
                self._settle(key, f"done, {told}")
            case Failed():
                self._settle(key, f"{report.failure_class}: {report.message}", failed=True)
            case Stopped():
                self.blame.ended(key)
                self.progress.stop(key)
            case StoreRefused(message):
                self._lost_store(key, message, ended=False)
            case StoreLost(message, kept):
                self._lost_store(key, message, ended=True, kept=kept)

    def _lost_store(self, key: str, why: str, ended: bool, kept: bool = False) -> None:
        """Results cannot be kept, and training on would be for nothing: all that runs is to end.

        What was trained since the last checkpoints can be kept if the store comes back for a moment.
        """
        if self.outcome.store_error is None:
            self.outcome.store_error = why
            self.progress.note(why)
        elif ended and not kept:
            self.progress.note(f"{self.trials[key]}: no checkpoint could be kept: {why}")
        if ended:
            self.progress.stop(key)
        self.queue.request.ask()

    def _tell_left(self, trial: Trial, left: str) -> None:
        """Tells once of each loss, model and data set what its trials leave in their processes."""
        cell = f"{trial.dataset.label} / {trial.model.label} / {trial.loss.label}"
        if cell not in self.told:
            self.told.add(cell)
            self.progress.note(f"{cell} leaves in its process: {left}; each such process is replaced")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A process or node that died, or a process that was ended."""
        trial_ = self.trials[trial.config["key"]]
        error = self.errors.pop(trial.trial_id, None)
        if told := failed_start(str(error)):
            # Tried again it would end no better, here or with another trial.
            self.progress.stop(trial_.key)
            self.outcome.worker_error = self.outcome.worker_error or told
            self.queue.request.ask()
            return
        try:
            self._record(trial_, autopsy(error))
        except StoreError as store_error:
            self._lost_store(trial_.key, str(store_error), ended=True)

    def _record(self, trial: Trial, death: Death) -> None:
        key = trial.key
        run = self.progress.running.get(key)
        if self.queue.request.asked is not None:
            # What was told to end together with us: it is interrupted, as all are.
            self.progress.stop(key)
            return
        # Which may have done more than it has told of.
        done = max(run.epoch if run else 0, self.checkpoints.epochs_done(key))
        deaths, pause = self.queue.died(key, done)
        own = self.blame.died(key, death, deaths)
        failed = death.at_once or own >= DEATHS
        failure_class = death.failure_class if failed else "preempted"
        message = death.message if death.at_once or not failed else f"{death.message}, {own} times in a row"
        self.store.record_failure(trial, failure_class, message, death.traceback, socket.gethostname())
        if failed:
            if death.by_code:
                self.checkpoints.forbid(key)
            self._settle(key, f"{failure_class}: {message}", failed=True)
        else:
            self.progress.stop(key)
            self.progress.note(f"{trial}: {death.message}; it goes on in {pause:.0f} s")

    def _settle(self, key: str, told: str, failed: bool = False) -> None:
        self.queue.settled(key)
        self.blame.ended(key)
        self.progress.finish(key, told, failed=failed)
