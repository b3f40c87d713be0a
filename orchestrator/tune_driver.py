"""The part of a run that talks to Ray Tune: hands it the trials, and listens."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback, CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.stopper import Stopper

from orchestrator.outcome import Outcome
from orchestrator.placement import Needs
from orchestrator.progress import Progress
from orchestrator.ray_trainable import RayTrial
from orchestrator.worker import TRACEBACK_LINES, WorkerSettings
from results.errors import StoreError
from results.store import Store
from sweeps.expand import Sweep
from trainables.trial import Trial

MACHINERY_RETRIES = 8
"""How often a trial is taken up again in one run after its process or node died. The next run tries anew."""


def fit(
    sweep: Sweep,
    trials: list[Trial],
    store: Store,
    data_root: Path,
    progress: Progress,
    scratch: Path,
    source_commit: str,
) -> Outcome:
    """Runs `trials` to their ends on the Ray that is connected."""
    run = sweep.run
    settings = WorkerSettings(
        store=store.uri if "://" in store.uri else store.folder.root,
        data_root=str(data_root.absolute()),
        checkpoint_every=run.checkpoint_every,
        threads=max(1, int(run.cpus_per_trial)),
        source_commit=source_commit,
    )
    by_key = {trial.key: trial for trial in trials}
    outcome = Outcome()
    listener = Listener(progress, store, by_key, outcome)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    gpus = {key: sweep.gpus[key] for key in by_key}

    def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return reservation(Needs.of(gpus[config["key"]], run.cpus_per_trial))

    trainable = tune.with_resources(
        tune.with_parameters(RayTrial, settings=settings, trials=by_key, gpus=gpus), resources
    )
    Tuner(
        trainable,
        param_space={"key": tune.grid_search(list(by_key))},
        tune_config=TuneConfig(reuse_actors=True),
        run_config=RunConfig(
            name="sweep",
            storage_path=str(scratch),
            callbacks=[listener],
            # Trials keep their own checkpoints in the store, where any machine finds them.
            checkpoint_config=CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            failure_config=FailureConfig(max_failures=MACHINERY_RETRIES),
            stop=StopWhenStoreFails(outcome),
            verbose=0,
        ),
    ).fit()
    outcome.done, outcome.failed, outcome.left = progress.done, progress.failed, len(progress.left)
    return outcome


def reservation(needs: Needs) -> tune.PlacementGroupFactory:
    """What Tune reserves for a trial: a bundle for each of its workers.

    Several are packed on as few nodes as possible. Tune's own actor, which listens to them, takes nothing.
    """
    own: list[dict[str, float]] = [{}] if needs.workers > 1 else []
    return tune.PlacementGroupFactory([*own, *[needs.bundle] * needs.workers], strategy="PACK")


class StopWhenStoreFails(Stopper):
    """Ends the sweep when results can no longer be kept: training on would be for nothing."""

    def __init__(self, outcome: Outcome):
        self.outcome = outcome

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.outcome.store_error is not None


class Listener(Callback):
    """Tells the progress display what Tune reports, and records trials whose process died too often."""

    def __init__(self, progress: Progress, store: Store, trials: dict[str, Trial], outcome: Outcome):
        self.progress = progress
        self.store = store
        self.trials = trials
        self.outcome = outcome

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Tune writes a copy of everything to its scratch folder, which is never read again.
        return Callback, ()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.progress.start(trial.config["key"])

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        key = trial.config["key"]
        match result["outcome"]:
            case "running":
                self.progress.epoch(key, result["epoch"])
            case "done":
                scores = ""
                if "test_error" in result:
                    scores = f", error {result['test_error']:.2%}, ECE {result['test_ece']:.2%}"
                self.progress.finish(key, f"done{scores}")
            case "failed":
                told = f"{result['failure_class']}: {result['message']}"
                self.progress.finish(key, told, failed=True)
            case "store":
                self.progress.stop(key)
                self.outcome.store_error = result["message"]

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.progress.stop(trial.config["key"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        key = trial.config["key"]
        message = f"its process or node died {MACHINERY_RETRIES + 1} times"
        # What Tune saw the last time; of a trial of several workers, why they lost each other.
        told = "\n".join(str(trial.get_error() or "").splitlines()[-TRACEBACK_LINES:])
        try:
            self.store.record_failure(self.trials[key], "preempted", message, told, socket.gethostname())
        except StoreError as error:
            self.outcome.store_error = str(error)
        self.progress.finish(key, f"preempted: {message}; the next run tries again", failed=True)
