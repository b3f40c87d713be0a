"""What the driver keeps and says of each trial does not grow with the sweep."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle, tune

from orchestrator.cluster.placement import Needs
from orchestrator.driver import progress as progress_module
from orchestrator.driver import tune_driver
from orchestrator.driver.assignment import Assignment
from orchestrator.driver.progress import Progress
from orchestrator.driver.stop_request import StopRequest
from results.store.store import Store
from results.terminal import Terminal
from sweeps.expand import load
from trainables.resolve import resolve
from trainables.trial import Selection, Trial


def kept_of_each(sweep_seeds: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Trials of a sweep, and the bytes of what is handed to Tune and kept by it once for each of them."""
    handed: dict[str, Any] = {}
    # `with_parameters` would start a Ray, and keeps what it is given once for all trials.
    monkeypatch.setattr(tune, "with_parameters", lambda trainable, **shared: trainable)
    monkeypatch.setattr(tune, "with_resources", lambda trainable, factory: handed.update(resources=factory))
    monkeypatch.setattr(tune, "run", lambda trainable, **options: handed.update(options))
    sweep = load("quickstart", [f"seeds={sweep_seeds}", "run.gpus_per_trial=2", "run.cpus_per_trial=3"])
    trials = list(sweep.trials)
    with Progress(trials, 0, Terminal(file=StringIO())) as shown:
        assignment = Assignment.of(sweep, trials, Store(str(folder)), folder)
        tune_driver.fit(assignment, shown, folder, StopRequest())
    config = handed["search_alg"].suggest("first")
    assert handed["resources"](config) == tune_driver.reservation(Needs(2, 3.0, 1.0))

    class OfTune:
        def __init__(self, config: dict[str, Any]):
            self.config = config

    assert handed["trial_name_creator"](OfTune(config)) == str(trials[0])
    parts = ("resources", "trial_name_creator", "trial_dirname_creator")
    return len(trials), sum(len(cloudpickle.dumps(part)) for part in (config, *map(handed.get, parts)))


def test_tunes_state_of_a_trial_does_not_grow_with_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, small = kept_of_each(1, tmp_path, monkeypatch)
    many, large = kept_of_each(20, tmp_path, monkeypatch)
    assert many == 20 * few and large == small


def test_the_time_left_is_that_of_each_trial_by_its_data_set_and_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)

    def trials(model: Selection, number: int) -> list[Trial]:
        return [resolve("digits", model, "brier", seed) for seed in range(number)]

    fast, slow, unknown = trials("mlp", 5), trials("small_cnn", 4), trials(("mlp", {"hidden": 7}), 2)
    with Progress([*fast, *slow, *unknown], 0, Terminal(file=StringIO())) as shown:
        assert shown.seconds_left() is None

        def trained(trial: Trial, seconds: float, failed: bool = False) -> None:
            nonlocal now
            shown.start(trial)
            now += seconds
            shown.finish(trial.key, "", failed=failed)

        trained(fast[0], 10)
        trained(fast[1], 14)
        trained(slow[0], 100)
        # How long a trial took that failed says nothing of the others.
        trained(slow[1], 3, failed=True)
        for trial in (fast[2], slow[2], unknown[0]):
            shown.start(trial)
        now += 30
    mean = (10 + 14 + 100) / 3
    # Of each trial that runs, what is left of the mean of its data set and model, or of all.
    left = [12 - 12, 12, 12, 100 - 30, 100, mean - 30, mean]
    assert shown.seconds_left() == pytest.approx(max(sum(left) / 3, 100))
