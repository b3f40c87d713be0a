"""What a worker does with what a trial leaves behind: without Ray, which it does not know."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from orchestrator.stalls import Watch
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
        stalled_minutes=30.0,
        threads=torch.get_num_threads(),
        source_commit="",
        run="",
    )
    return TrialWorker(settings, Notices(), Watch(30.0, None))


def train(worker: TrialWorker, loss: str) -> Report:
    worker.begin(resolve("digits", "mlp", loss, seed=3, training={"epochs": 1}), gpus=0)
    while not (report := worker.step())["done"]:
        pass
    return report


def scores(worker: TrialWorker, loss: str) -> pd.Series[Any]:
    (row,) = [row for _, row in Store(worker.settings.store).trials().iterrows() if row["loss"] == loss]
    return row[["predictions_digest", "epochs_digest"]]


def wait(over: threading.Event) -> None:
    over.wait(60)


@pytest.mark.parametrize("spoiled", ["dtype", "data", "thread"])
def test_the_trial_after_one_that_left_a_mess(
    spoiled: str, worker: TrialWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def spoil(loss: CrossEntropy, logits: Tensor, labels: Tensor) -> None:
        assert other.loaded is not None
        match spoiled:
            case "dtype":
                torch.set_default_dtype(torch.float64)
            case "data":
                other.loaded[1].train.inputs.zero_()
            case "thread":
                threading.Thread(target=wait, args=[over], name="going on").start()

    report = train(worker, "brier")
    assert (report["outcome"], report["reusable"], report["left"]) == ("done", True, ())
    expected = scores(worker, "brier")
    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropy, "on_validation", spoil)
        other = TrialWorker(replace(worker.settings, store=str(tmp_path / "other")), Notices(), worker.watch)
        report = train(other, "cross_entropy")
    over.set()
    assert (report["outcome"], report["reusable"]) == ("done", spoiled != "thread")
    assert report["left"] == (("thread going on",) if spoiled == "thread" else ())
    assert (other.loaded is None) == (spoiled == "data")
    assert train(other, "brier")["outcome"] == "done"
    pd.testing.assert_series_equal(scores(other, "brier"), expected, check_names=False)


def test_a_result_that_stands_before_is_not_told_as_this_one(worker: TrialWorker) -> None:
    assert train(worker, "brier")["error"] > 0
    expected = scores(worker, "brier")
    report = train(worker, "brier")
    assert report["outcome"] == "done" and "error" not in report
    pd.testing.assert_series_equal(scores(worker, "brier"), expected)


def test_a_process_whose_trial_failed_is_not_used_again(
    worker: TrialWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a plug-in's mistake")

    monkeypatch.setattr(CrossEntropy, "on_validation", fail)
    report = train(worker, "cross_entropy")
    assert (report["outcome"], report["reusable"]) == ("failed", False)
    assert report["message"] == "ValueError: a plug-in's mistake"
