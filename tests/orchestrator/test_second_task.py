"""The task is a seam: another one, from a plug-in, trains, resumes, commits and prints by the same code."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.driver.notices import Notices
from orchestrator.driver.reports import Done
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker import TrialWorker
from orchestrator.driver.worker_settings import WorkerSettings
from orchestrator.screen.tables import print_tables
from orchestrator.use_cases.check_loss import check_loss
from orchestrator.use_cases.report import report
from orchestrator.use_cases.rescore import rescore
from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.trial import trial
from results.scoring.commit import part_of
from results.store.address import Address
from results.store.finding import UNKNOWN_TASK
from results.store.inspection import inspection
from results.store.store import Store
from results.store.survey import State
from results.terminal import Terminal
from trainables.datasets.testing import DatasetConformance
from trainables.errors import ConfigurationError
from trainables.metrics.testing import MetricConformance
from trainables.registry.plugins import PLUGINS
from trainables.resolve import resolve
from trainables.training.checkpoint import decode, encode
from trainables.training.run import TrialRun, load_dataset
from trainables.trial import Trial

from .conftest import Command, printed

CPU = torch.device("cpu")
PLUGIN = Path(__file__).parents[1] / "plugins" / "multi_label.py"
TRAINING = {"epochs": 5, "milestones": [3], "batch_size": 32, "reported_epoch": "best_validation_accuracy"}


@pytest.fixture(autouse=True)
def plugin() -> None:
    PLUGINS.add([PLUGIN])


def trial_of(loss: str, seed: int = 2) -> Trial:
    return resolve("tagged", ("mlp", {"hidden": 12}), loss, seed, training=TRAINING)


def test_a_loss_or_an_evaluation_of_another_task_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'classification'.*'multi_label'"):
        trial_of("brier")
    with pytest.raises(ConfigurationError, match=r"'multi_label'.*'classification'"):
        resolve("digits", "mlp", "sigmoid", 0)
    with pytest.raises(ConfigurationError, match=r"evaluations.*'multi_label'"):
        resolve("tagged", "mlp", "sigmoid", 0, evaluations=["svhn"])


def test_a_run_resumed_after_each_batch_is_as_if_undisturbed() -> None:
    trial = trial_of("sigmoid")
    dataset = load_dataset(trial, None, CPU)
    undisturbed, resumed = TrialRun(trial, dataset, CPU), TrialRun(trial, dataset, CPU)
    while not undisturbed.done:
        undisturbed.advance()
    while not resumed.done:
        resumed.advance_until(lambda: True)
        state = encode(resumed.state())
        resumed = TrialRun(trial, dataset, CPU)
        resumed.restore(decode(state))
    one, other = undisturbed.result(), resumed.result()
    assert repr(one.epochs) == repr(other.epochs) and one.reported_epoch == other.reported_epoch
    assert torch.equal(one.test.probabilities, other.test.probabilities)
    errors = [curves["validation_hamming"] for curves in one.epochs]
    assert one.reported_epoch == int(np.argmin(np.array(errors, dtype=float)))
    assert not any(name.endswith(("_ece", "_error")) for name in one.epochs[0])


def trained(worker: TrialWorker, trial: Trial) -> Done:
    worker.begin(trial, gpus=0)
    while not (report := worker.step()).ended:
        pass
    assert isinstance(report, Done), report
    return report


def test_its_trials_are_committed_verified_and_printed_beside_those_of_classification(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"checkpoint_every": 2, "checkpoint_minutes": 10.0, "hours_per_trial": 1.0}
    uri = str(tmp_path / "store")
    worker = TrialWorker(
        WorkerSettings(
            store=uri, data_root=str(tmp_path), stalled_minutes=30.0, threads=1, source_commit="", run="",
            **settings,
        ),
        Notices(),
        Watch(30.0, None),
    )  # fmt: skip
    tagged = [trial_of("sigmoid"), trial_of("brier_of_labels"), trial_of("brier_of_labels", seed=3)]
    digits = ("digits", {"training_samples": 75, "validation_samples": 60})
    plain = resolve(digits, "mlp", "brier", 0, training={"epochs": 1, "milestones": []})
    reports = [trained(worker, trial) for trial in (*tagged, plain)]
    assert [sorted((report.summaries or {})["test"]) for report in reports] == [["hamming"]] * 3 + [
        ["ECE", "error"]
    ]

    store = Store(uri)
    assert set(store.survey([*tagged, plain]).states.values()) == {State.DONE}
    stored = store.predictions(Address.of(tagged[0]))
    assert stored.column_names == ["split", "sample_id", "probabilities", "relevant"]
    test = part_of(stored, "test")
    assert test.probabilities.shape == (53, 4) and test.relevant.dtype == torch.bool
    assert test.sample_ids.tolist() == list(range(2000, 2053))
    row = store.trials().set_index("key").loc[tagged[0].key]
    hamming = ((test.probabilities > 0.5) != test.relevant).double().mean().item()
    assert row["test_hamming"] == hamming and row["task"] == "multi_label"
    assert (reports[0].summaries or {})["test"] == {"hamming": pytest.approx(hamming)}

    made = inspection(store)
    for step in made.steps:
        step()
    assert (made.trials, made.findings) == (4, [])
    # Without the file that brings the task, as on another machine.
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr(PLUGINS, "_files", ())
        without = inspection(store)
        for step in without.steps:
            step()
    assert [finding.kind for finding in without.findings] == [UNKNOWN_TASK] * 3 and not without.wrong

    with pytest.raises(ConfigurationError, match=r"'hamming'.*'multi_label'"):
        rescore(uri, ["hamming"])
    found = tables(uri)
    metrics = [table.metric.name for table in found.on_test_set]
    assert metrics[-2:] == ["hamming", "subset_error"] and metrics[:2] == ["ece", "adaptive_ece"]
    (labels,) = found.on_test_set[-2].rows
    assert labels.dataset == "tagged" and found.on_test_set[-2].scalings == ("none",)
    assert [cell.seeds for cell in labels.cells if cell] == [2, 1]
    assert [row.dataset for row in found.on_test_set[0].rows] == [plain.dataset.label]
    screen = Terminal(file=io.StringIO(), width=100)
    print_tables(found, screen)
    assert "Hamming loss" in screen.file.getvalue()  # type: ignore[attr-defined]
    page = report(uri, None, tmp_path / "page.html")
    assert page.trials == 4 and "Hamming loss" in page.file.read_text(encoding="utf-8")


def test_commands_for_classification_refuse_a_store_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = str(tmp_path / "store")
    trial("tagged", "mlp", "sigmoid", overrides=["training.epochs=1"], store=uri)
    for refused in (
        lambda: tables(uri, metrics=["ece"]),
        lambda: rescore(uri, ["ece"]),
        lambda: check_loss("sigmoid"),
        lambda: HammingKit().test_value(),
    ):
        with pytest.raises(ConfigurationError, match="classification"):
            refused()
    kit = TaggedKit()
    for requirement in (kit.test_parts, kit.test_labels, kit.test_batch, kit.test_fingerprint, kit.test_spec):
        requirement()
    monkeypatch.setattr(PLUGINS, "_files", ())
    with pytest.raises(ConfigurationError, match=r"'?multi_label'?.*--plugin"):
        tables(uri)


class HammingKit(MetricConformance):
    name = "hamming"


class TaggedKit(DatasetConformance):
    name = "tagged"


@pytest.mark.slow
def test_a_sweep_of_the_second_task_runs_on_ray_and_prints_its_tables(
    calibsweep: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "tags.yaml"
    shutil.copy(PLUGIN, tmp_path)
    sweep.write_text("""\
name: tags
seeds: [2]
plugins: [multi_label.py]
run: {watch: []}
training: {epochs: 5, milestones: [3], batch_size: 32, reported_epoch: best_validation_accuracy}
blocks:
  - {datasets: [tagged], models: [{mlp: {hidden: 12}}], losses: [sigmoid, brier_of_labels]}
""")
    store = str(tmp_path / "store")
    output = calibsweep("run", str(sweep), "--store", store)
    assert "hamming" in output and "Hamming loss" in output and f"Report: {store}/reports/tags.html" in output
    frame = Store(store).trials().set_index("loss")
    assert frame.loc["sigmoid", "key"] == trial_of("sigmoid").key
    # Workers had the very file.
    digest = hashlib.sha256(PLUGIN.read_bytes()).hexdigest()
    assert set(frame["source_loss"]) == set(frame["source_dataset"]) == {digest}
    assert "Subset error" in printed("tables", str(sweep), "--store", store, "--format", "md")
    printed("store", "verify", "--store", store)
