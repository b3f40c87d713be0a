"""What a worker does with what a trial leaves behind: without Ray, which it does not know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from orchestrator.worker import Notices, Report, TrialWorker, WorkerSettings
from results.store import Store
from trainables.losses.cross_entropy import CrossEntropy
from trainables.trial import resolve


@pytest.fixture
def worker(tmp_path: Path) -> TrialWorker:
    settings = WorkerSettings(
        store=str(tmp_path / "store"),
        data_root=str(tmp_path),
        checkpoint_every=10,
        checkpoint_minutes=10.0,
        hours_per_trial=1.0,
        threads=torch.get_num_threads(),
        source_commit="",
        run="",
    )
    return TrialWorker(settings, Notices())


def train(worker: TrialWorker, loss: str) -> Report:
    worker.begin(resolve("digits", "mlp", loss, seed=3, training={"epochs": 1}), gpus=0)
    while not (report := worker.step())["done"]:
        pass
    return report


def scores(worker: TrialWorker, loss: str) -> pd.Series[Any]:
    (row,) = [row for _, row in Store(worker.settings.store).trials().iterrows() if row["loss"] == loss]
    return row[["predictions_digest", "epochs_digest"]]


@pytest.mark.parametrize("spoiled", ["dtype", "data", "inference"])
def test_the_trial_after_one_that_left_a_mess(
    spoiled: str, worker: TrialWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = torch.inference_mode()

    def spoil(loss: CrossEntropy, logits: Tensor, labels: Tensor) -> None:
        assert other.loaded is not None
        match spoiled:
            case "dtype":
                torch.set_default_dtype(torch.float64)
            case "data":
                other.loaded[1].train.inputs.zero_()
            case "inference":
                mode.__enter__()

    report = train(worker, "brier")
    assert (report["outcome"], report["reusable"], report["left"]) == ("done", True, ())
    expected = scores(worker, "brier")
    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropy, "on_validation", spoil)
        other = TrialWorker(replace(worker.settings, store=str(tmp_path / "other")), Notices())
        report = train(other, "cross_entropy")
    try:
        assert report["reusable"] == (spoiled != "inference")
        assert ("inference mode" in report["left"]) == (spoiled == "inference")
    finally:
        if spoiled == "inference":
            mode.__exit__(None, None, None)
    assert (other.loaded is None) == (spoiled == "data")
    assert train(other, "brier")["outcome"] == "done"
    pd.testing.assert_series_equal(scores(other, "brier"), expected, check_names=False)


def test_a_process_whose_trial_failed_is_not_used_again(
    worker: TrialWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a plug-in's mistake")

    monkeypatch.setattr(CrossEntropy, "on_validation", fail)
    report = train(worker, "cross_entropy")
    assert (report["outcome"], report["reusable"]) == ("failed", False)
