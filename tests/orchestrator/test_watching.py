"""Curves for TensorBoard, read back with TensorBoard's own reader; what else can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from orchestrator.watching import TensorBoard
from sweeps.expand import load
from trainables.errors import ConfigurationError
from trainables.trial import resolve

from .conftest import Command

SWEEP = """
    name: watched
    training: {{epochs: 1}}
    blocks: [{{datasets: [digits], models: [mlp], losses: [brier]}}]
    run: {{watch: {watch}}}
"""


def test_event_files_have_what_was_reported(tmp_path: Path) -> None:
    trials = [resolve("digits", "mlp", "focal_1", seed) for seed in (0, 1)]
    board = TensorBoard(tmp_path, {trial.key: trial for trial in trials})
    for epoch in (3, 7, 12):
        for trial in trials:
            told = {"test_error": trial.seed + epoch / 100, "train_loss": 2.5, "time_total_s": 1.0}
            report = {**told, "epoch": epoch, "done": epoch == 12 and trial.seed == 0}
            board.on_trial_result(0, [], SimpleNamespace(config={"key": trial.key}), report)
    assert list(board.writers) == [trials[1].key]
    board.on_experiment_end([])
    for trial in trials:
        (folder,) = (tmp_path / "digits" / "mlp" / "focal_1").glob(f"seed-{trial.seed}-*")
        events = EventAccumulator(str(folder)).Reload()
        assert set(events.Tags()["scalars"]) == {"test_error", "train_loss"}
        found = {event.step: event.value for event in events.Scalars("test_error")}
        assert found == pytest.approx({3: trial.seed + 0.03, 7: trial.seed + 0.07, 12: trial.seed + 0.12})


@pytest.mark.parametrize(
    ("watch", "told"),
    [
        ("[tensorbord]", "there is no 'tensorbord' to watch with. Did you mean 'tensorboard'?"),
        ("[{wandb: {api_key: abc}}]", "wandb.api_key: a secret does not belong in a sweep file"),
        ("[[mlflow]]", "there is no ['mlflow'] to watch with."),
        ("[{mlflow: 3}]", "must be a mapping of names to values, not 3"),
    ],
)
def test_what_cannot_be_watched_with_is_refused(
    watch: str, told: str, sweep_file: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(sweep_file(SWEEP.format(watch=watch)))
    assert told in str(refused.value) and "abc" not in str(refused.value)


def test_nothing_is_written_where_nobody_watches(sweep_file: Callable[[str], str]) -> None:
    assert load(sweep_file(SWEEP.format(watch="[]"))).run.watch == ()
    assert load(sweep_file(SWEEP.format(watch="tensorboard"))).run.watch == (("tensorboard", {}),)
    (watch,) = load(sweep_file(SWEEP.format(watch='[{mlflow: {tracking_uri: "http://x"}}]'))).run.watch
    assert watch == ("mlflow", {"tracking_uri": "http://x"})


@pytest.mark.slow
def test_a_run_leaves_curves_and_says_where(
    calibsweep: Command, sweep_file: Callable[[str], str], tmp_path: Path
) -> None:
    sweep, store = sweep_file(SWEEP.format(watch="[tensorboard]")), tmp_path / "store"
    output = calibsweep("run", sweep, "--store", str(store))
    assert f"Curves while it runs: tensorboard --logdir {store}/tensorboard/watched" in output
    assert len(list(store.glob("tensorboard/watched/digits/mlp/brier/seed-*/events.*"))) == 5
