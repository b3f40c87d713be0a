"""Curves for TensorBoard, read back with TensorBoard's own reader; what else can be asked for."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from orchestrator.driver.trackers import AWAY_SECONDS, Outside, TensorBoard, callbacks
from results.store.store import Store
from sweeps.expand import load
from trainables.errors import ConfigurationError
from trainables.resolve import resolve

from .conftest import Command

SWEEP = """
    name: watched
    training: {{epochs: 1}}
    blocks: [{{datasets: [digits], models: [mlp], losses: [brier]}}]
    run: {{watch: {watch}}}
"""


def test_event_files_contain_the_reports(tmp_path: Path) -> None:
    trials = [resolve("digits", "mlp", "focal_1", seed) for seed in (0, 1)]
    board = TensorBoard(tmp_path)
    for epoch in (3, 7, 12):
        for trial in trials:
            message = {"test_error": trial.seed + epoch / 100, "train_loss": 2.5, "time_total_s": 1.0}
            report = {**message, "epoch": epoch, "done": epoch == 12 and trial.seed == 0}
            board.on_trial_result(0, [], SimpleNamespace(config={"trial": trial}), report)
    assert list(board.writers) == [trials[1].key]
    board.on_experiment_end([])
    for trial in trials:
        (folder,) = (tmp_path / "digits" / "mlp" / "focal_1").glob(f"seed-{trial.seed}-*")
        events = EventAccumulator(str(folder)).Reload()
        assert set(events.Tags()["scalars"]) == {"test_error", "train_loss"}
        found = {event.step: event.value for event in events.Scalars("test_error")}
        assert found == pytest.approx({3: trial.seed + 0.03, 7: trial.seed + 0.07, 12: trial.seed + 0.12})


def test_curves_of_a_trial_that_was_interrupted_are_one(tmp_path: Path) -> None:
    trial = resolve("digits", "mlp", "focal_1", 0)

    def run(epochs: range, offset: float) -> None:
        board = TensorBoard(tmp_path)
        for epoch in epochs:
            report = {"test_error": epoch + offset, "epoch": epoch, "done": False}
            board.on_trial_result(0, [], SimpleNamespace(config={"trial": trial}), report)
        board.on_experiment_end([])

    run(range(1, 8), 0.0)
    # The last checkpoint was after four epochs.
    run(range(5, 11), 0.5)
    (folder,) = (tmp_path / "digits" / "mlp" / "focal_1").iterdir()
    events = EventAccumulator(str(folder)).Reload().Scalars("test_error")
    assert [event.step for event in events] == list(range(1, 11))
    assert [event.value for event in events] == [*range(1, 5), *(step + 0.5 for step in range(5, 11))]


def test_curves_of_a_bucket_lie_in_one_place_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lines: list[str] = []
    for _ in range(2):
        store = Store("s3://my-bucket/results?region=eu-west-1")
        callbacks([("tensorboard", {})], "watched", store, lines.append)
    place = tmp_path / ".cache/calibsweep/tensorboard/s3/my-bucket/results/watched"
    assert lines == [f"Live curves: tensorboard --logdir {place}"] * 2


class Away(Callback):
    """A program that answers at first, and then no more."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_trial_start(self, **message: Any) -> None:
        self.heard.append(message["trial"])

    def on_trial_result(self, **message: Any) -> None:
        self.heard.append(message["result"])
        raise ConnectionError("connection\nrefused")


@pytest.mark.parametrize("there", [True, False])
def test_the_viewer_is_offered_as_it_can_be_installed(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find(name) if there or name != "tensorboard" else None
    )
    lines: list[str] = []
    store = Store(str(tmp_path / "int st"))
    callbacks([("tensorboard", {})], "a", store, lines.append)
    look = f"tensorboard --logdir '{tmp_path}/int st/tensorboard/a'"
    assert lines == [f"Live curves: {'' if there else 'pip install tensorboard && '}{look}"]


def test_a_program_that_is_away_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    away, lines = Away(), list[str]()
    outside = Outside("mlflow", away, lines.append)
    outside.on_trial_start(iteration=0, trials=[], trial="first")
    for epoch in (1, 2):
        outside.on_trial_result(iteration=0, trials=[], trial="first", result={"epoch": epoch})
    assert away.heard == ["first", {"epoch": 1}]
    message = (
        "mlflow failed, and the sweep continues without it for a while: ConnectionError: connection refused"
    )
    assert lines == [message]
    later = time.monotonic() + AWAY_SECONDS + 1
    monkeypatch.setattr("time.monotonic", lambda: later)
    outside.on_trial_start(iteration=0, trials=[], trial="second")
    outside.on_experiment_end(trials=[])
    assert away.heard[2:] == ["second"] and lines == [message]


@pytest.mark.parametrize(
    ("watch", "message"),
    [
        ("[tensorbord]", "unknown tracker 'tensorbord'. Did you mean 'tensorboard'?"),
        ("[{wandb: {api_key: abc}}]", "wandb.api_key: put secrets into environment variables"),
        ("[[mlflow]]", "unknown tracker ['mlflow']."),
        ("[{mlflow: 3}]", "must be a mapping of names to values, not 3"),
    ],
)
def test_an_unusable_tracker_is_refused(watch: str, message: str, sweep_file: Callable[[str], str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(sweep_file(SWEEP.format(watch=watch)))
    assert message in str(refused.value) and "abc" not in str(refused.value)


def test_nothing_is_written_where_nobody_watches(sweep_file: Callable[[str], str]) -> None:
    assert load(sweep_file(SWEEP.format(watch="[]"))).run.watch == ()
    assert load(sweep_file(SWEEP.format(watch="tensorboard"))).run.watch == (("tensorboard", {}),)
    (watch,) = load(sweep_file(SWEEP.format(watch='[{mlflow: {tracking_uri: "http://x"}}]'))).run.watch
    assert watch == ("mlflow", {"tracking_uri": "http://x"})


@pytest.mark.slow
def test_mlflow_has_each_trial_by_name(
    calibsweep: Command, sweep_file: Callable[[str], str], tmp_path: Path
) -> None:
    for package in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(package)
    tracking = f"sqlite:///{tmp_path}/mlflow.db"
    sweep = sweep_file(SWEEP.format(watch=f'[{{mlflow: {{tracking_uri: "{tracking}"}}}}]'))
    assert "MLflow, experiment watched" in calibsweep("run", sweep, "--store", str(tmp_path / "store"))
    from mlflow import MlflowClient

    client = MlflowClient(tracking)
    experiment = client.get_experiment_by_name("watched")
    runs = {run.info.run_name: run.data for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {f"digits / mlp / brier / seed {seed}" for seed in range(5)}
    run = runs["digits / mlp / brier / seed 3"]
    assert run.params["loss"] == "brier" and 0 <= run.metrics["test_ece"] <= 1


def test_a_program_that_does_not_answer_is_one_line(
    calibsweep: Command, sweep_file: Callable[[str], str], tmp_path: Path
) -> None:
    pytest.importorskip("mlflow")
    sweep = sweep_file(SWEEP.format(watch='[{mlflow: {tracking_uri: "http://127.0.0.1:9"}}]'))
    message = calibsweep("run", sweep, "--store", str(tmp_path / "store"), code=2)
    assert "calibsweep: run.watch: mlflow cannot be used: MlflowException" in message
