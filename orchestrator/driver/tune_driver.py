"""Passes trials to Ray Tune, and listens to it."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig
from ray.tune.stopper import Stopper

from orchestrator.cluster.placement import Needs
from orchestrator.driver import notices, ray_private
from orchestrator.driver.assignment import Assignment
from orchestrator.driver.deaths import errors_of_trials
from orchestrator.driver.heartbeat import heartbeat
from orchestrator.driver.listener import Listener
from orchestrator.driver.outcome import Outcome
from orchestrator.driver.progress import Progress
from orchestrator.driver.queue import TrialQueue
from orchestrator.driver.ray_trainable import RayTrial
from orchestrator.driver.stalls import first_patience
from orchestrator.driver.stop_request import STOP_SECONDS, StopRequest
from orchestrator.driver.trackers import callbacks
from orchestrator.driver.worker_settings import WorkerSettings
from results.store import provenance
from trainables.registry.plugins import PLUGINS


def fit(assignment: Assignment, progress: Progress, scratch: Path, request: StopRequest) -> Outcome:
    """Runs the trials of an assignment, in order, on the connected Ray, until all have ended.

    `request` ends this early, with a checkpoint of each running trial.
    """
    run, store = assignment.settings, assignment.store
    settings = WorkerSettings(
        store=store.folder.root if store.folder.is_local else store.uri,
        data_root=str(assignment.data_root.absolute()),
        checkpoint_every=run.checkpoint_every,
        checkpoint_minutes=run.checkpoint_minutes,
        hours_per_trial=run.hours_per_trial,
        stalled_minutes=run.stalled_minutes,
        threads=max(1, int(run.cpus_per_trial)),
        source_commit=provenance.source_commit(),
        run=f"{assignment.name}-{uuid.uuid4()}",
        plugins=PLUGINS.files,
    )
    queue = TrialQueue(assignment.source, request)
    outcome = Outcome()
    stop = Stop(request, progress, outcome, settings.run)
    watchers = callbacks(run.watch, assignment.name, store, progress.line)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    trainable = tune.with_resources(
        tune.with_parameters(RayTrial, settings=settings),
        # Neither this function nor `_name` may refer to much: Tune copies both for each trial.
        lambda config: reservation(config["needs"]),
    )
    try:
        with (
            errors_of_trials() as errors,
            heartbeat(store, settings.run, progress.standing),
            _through_client(scratch, progress),
            ray_private.actors_ended_unless(lambda last: last.get("reusable", True)),
            ray_private.idle_actors_kept(assignment.source.coming),
            # By then checkpoints are saved, and the actors end with their Ray.
            ray_private.no_cleanup_when(lambda: request.requested_at is not None),
        ):
            patience = first_patience(run.stalled_minutes)
            listener = Listener(progress, store, outcome, queue, errors, patience)
            # `Tuner` lacks the option `IN_THIS_PROCESS`.
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
                # Trials save their own checkpoints in the store, where any machine finds them.
                checkpoint_config=CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                # The queue retries trials.
                max_failures=0,
                raise_on_failed_trial=False,
                verbose=0,
                **ray_private.IN_THIS_PROCESS,
            )
    finally:
        if stop.announced:
            notices.withdraw(settings.run)
    outcome.done, outcome.failed, outcome.left = progress.done, progress.failed, len(progress.left)
    return outcome


def _name(trial: Any) -> str:
    """Our name for a trial of Tune's."""
    return str(trial.config["trial"])


@contextlib.contextmanager
def _through_client(scratch: Path, progress: Progress) -> Iterator[None]:
    """With ray://, keeps Tune's files on this machine, and turns a broken connection into a line."""
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
    """Tune's reservation for a trial: a bundle per worker.

    Several are packed onto as few nodes as possible. Tune's own actor, which listens to them, takes nothing.
    """
    own: list[dict[str, float]] = [{}] if needs.workers > 1 else []
    return tune.PlacementGroupFactory([*own, *[needs.bundle] * needs.workers], strategy="PACK")


class Stop(Stopper):
    """Ends the sweep early on request: after a signal, or if results can no longer be stored.

    Args:
        run: Name of the run, as its workers know it.
    """

    def __init__(self, request: StopRequest, progress: Progress, outcome: Outcome, run: str):
        self.request = request
        self.progress = progress
        self.outcome = outcome
        self.run = run
        self.announced = False

    def __reduce__(self) -> tuple[type[Stopper], tuple[()]]:
        # Tune pickles everything to its scratch folder, which is never read.
        return Stopper, ()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        requested_at = self.request.requested_at
        if requested_at is None:
            return False
        if not self.announced:
            notices.ask_to_stop(self.run)
            self.announced = True
            if self.progress.running:
                self.progress.note(
                    "stopping: each running trial saves a checkpoint first (repeat to stop at once)"
                )
        return not self.progress.running or time.monotonic() > requested_at + STOP_SECONDS
