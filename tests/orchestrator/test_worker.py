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

from orchestrator.driver.notices import Notices
from orchestrator.driver.reports import Done, Failed, Report, Stopped, StoreLost, StoreRefused
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker import TrialWorker
from orchestrator.driver.worker_settings import WorkerSettings
from results.store.checkpoints import moments_set_aside
from results.store.data_files import sha256
from results.store.store import Store
from trainables.losses.cross_entropy import CrossEntropy
from trainables.resolve import resolve
from trainables.training.run import TrialRun, load_dataset
from trainables.trial import Trial

from ..s3_proxy import Proxy


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


def trial_of(loss: str, epochs: int = 1) -> Trial:
    return resolve("digits", "mlp", loss, seed=3, training={"epochs": epochs})


def train(worker: TrialWorker, loss: str, epochs: int = 1) -> Report:
    worker.begin(trial_of(loss, epochs), gpus=0)
    while not (report := worker.step()).ended:
        pass
    return report


def kept(worker: TrialWorker, trial: Trial) -> list[str]:
    return [info.path for info in worker.store.folder.list(f"checkpoints/{trial.key}")]


def with_checkpoint(worker: TrialWorker, epochs: int, *spoiled: bytes) -> Trial:
    """A trial of three epochs that has a checkpoint after so many, and later ones with these contents."""
    trial = trial_of("brier", 3)
    dataset = load_dataset(trial, Path(worker.settings.data_root), torch.device("cpu"))
    run = TrialRun.start(trial, dataset, torch.device("cpu"))
    for _ in range(epochs):
        run.advance()
    if epochs:
        run.checkpoint(worker.checkpoints)
    for number, content in enumerate(spoiled):
        name = f"{epochs + 1 + number:06d}.000000-{sha256(content)[:16]}.pt"
        worker.store.folder.write(f"checkpoints/{trial.key}/{name}", content)
    return trial


@pytest.mark.parametrize(("epochs", "place"), [(1, "resumes from epoch 1"), (0, "starts from scratch")])
def test_an_unusable_checkpoint_is_reported(epochs: int, place: str, worker: TrialWorker) -> None:
    trial = with_checkpoint(worker, epochs, b"of another program")
    cut = f"checkpoints/{trial.key}/000003.000000-{'0' * 16}.pt"
    worker.store.folder.write(cut, b"the first half")
    worker.begin(trial, gpus=0)
    report = worker.step()
    assert isinstance(report, Done)
    (note,) = report.notes
    line = note.text
    assert note.kind == "" and str(trial) in line and line.endswith(place)
    assert "that of epoch 3: it is truncated" in line and "does not match this code" in line
    assert worker.store.folder.exists(f"damaged/{cut}") and not kept(worker, trial)
    assert Store(worker.settings.store).trials()["resumed_from_epoch"].tolist() == [epochs]
    assert moments_set_aside(worker.store) == {trial.key: ["epoch 3"]}
    # Empty folders would pile up.
    assert not (Path(worker.settings.store) / "checkpoints").exists()


def test_a_store_that_comes_back_in_time_gets_a_checkpoint(worker: TrialWorker) -> None:
    trial, store = trial_of("brier", 3), Path(worker.settings.store)
    store.mkdir()
    # In place of a folder: nothing can be kept.
    in_the_way = store / "tmp"
    in_the_way.write_text("")
    worker.notices.draining = True
    worker.begin(trial, gpus=0)
    report = worker.step()
    assert isinstance(report, StoreRefused) and not report.ended and "in the way" in report.message
    in_the_way.unlink()
    report = worker.step()
    assert isinstance(report, Stopped)
    assert len(kept(worker, trial)) == 1
    worker.notices.draining = False
    assert isinstance(train(worker, "brier", 3), Done)
    assert Store(str(store)).trials()["resumed_from_epoch"].tolist() == [report.epoch]


@pytest.mark.parametrize("back", [True, False])
def test_a_finished_trial_that_cannot_be_committed_is_kept(back: bool, worker: TrialWorker) -> None:
    trial, store = trial_of("brier"), Path(worker.settings.store)
    store.mkdir()
    in_the_way = store / "trials"
    in_the_way.write_text("")
    worker.begin(trial, gpus=0)
    report = worker.step()
    assert isinstance(report, StoreRefused) and not report.ended
    if back:
        in_the_way.unlink()
    report = worker.step()
    assert isinstance(report, Done) if back else isinstance(report, StoreLost) and report.kept
    assert report.ended and len(kept(worker, trial)) == (0 if back else 1)
    if not back:
        in_the_way.unlink()
        assert isinstance(train(worker, "brier"), Done)
    assert Store(str(store)).trials()["resumed_from_epoch"].tolist() == [0 if back else 1]


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
    assert isinstance(report, Done) and report.left == ()
    expected = scores(worker, "brier")
    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropy, "on_validation", spoil)
        other = TrialWorker(replace(worker.settings, store=str(tmp_path / "other")), Notices(), worker.watch)
        report = train(other, "cross_entropy")
    over.set()
    assert isinstance(report, Done)
    assert report.left == (("thread going on",) if spoiled == "thread" else ())
    assert (other.loaded is None) == (spoiled == "data")
    assert isinstance(train(other, "brier"), Done)
    pd.testing.assert_series_equal(scores(other, "brier"), expected, check_names=False)


def test_an_earlier_result_is_not_reported_as_this_one(worker: TrialWorker) -> None:
    first = train(worker, "brier")
    assert isinstance(first, Done) and first.summaries is not None
    assert {part: summary["error"] > 0 for part, summary in first.summaries.items()} == {
        "validation": True,
        "test": True,
    }
    expected = scores(worker, "brier")
    report = train(worker, "brier")
    assert isinstance(report, Done) and report.summaries is None
    pd.testing.assert_series_equal(scores(worker, "brier"), expected)


def test_a_failure_tells_its_cause(worker: TrialWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a plug-in's mistake")

    monkeypatch.setattr(CrossEntropy, "on_validation", fail)
    report = train(worker, "cross_entropy")
    assert isinstance(report, Failed)
    assert report.message == "ValueError: a plug-in's mistake"


@pytest.mark.slow
def test_a_trial_asks_little_of_an_object_store(worker: TrialWorker, s3: Proxy) -> None:
    settings = replace(worker.settings, store=s3.uri("store"), checkpoint_every=1)
    away = TrialWorker(settings, Notices(), worker.watch)
    assert isinstance(train(away, "brier", epochs=3), Done)
    # Two checkpoints, each deleted once it is of no use; what is committed is written without a look.
    assert s3.counts() == {"LIST": 1, "PUT": 2 + 3, "DELETE": 2}
