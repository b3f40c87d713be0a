"""What a plan says of the cost: sources in their order, schedules within bounds, pilots in proportion."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import app
from orchestrator.cluster.estimates import (
    GUESSED_FLOPS_PER_SECOND,
    Estimate,
    Estimates,
    least_makespan,
    longest_first,
    makespan,
)
from orchestrator.driver.outcome import Outcome
from orchestrator.use_cases import run
from results import gpu_records
from results.gpu_records import GpuRecord, Speed
from results.store.pilots import Pilot, keep, kept
from results.store.store import Store
from trainables import cost, datasets, operations
from trainables.catalogue import DATASETS, MODELS
from trainables.errors import ConfigurationError
from trainables.resolve import resolve
from trainables.trial import Trial

from .conftest import printed

JOBS = st.lists(st.tuples(st.floats(0.1, 100), st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])), max_size=40)


def finished(trial: Trial, seconds: float) -> pd.DataFrame:
    row = {"dataset": trial.dataset.label, "model": trial.model.label, "training_seconds": seconds}
    return pd.DataFrame([{**row, "identity": json.dumps(trial.identity())}])


def pilot(trial: Trial, seconds: float, occurred: str = "2026-01-01") -> Pilot:
    return Pilot(
        trial.dataset.label, trial.model.label, trial.training.precision, seconds, "cpu", 0.5, occurred
    )


@given(JOBS, st.floats(4, 64))
def test_no_schedule_is_better_than_the_bound_nor_much_worse(
    jobs: list[tuple[float, float]], capacity: float
) -> None:
    time, least = makespan(jobs, capacity), least_makespan(jobs, capacity)
    assert time >= least * (1 - 1e-9)
    # While a job waits, less than the widest job's share of the cluster is free.
    if jobs:
        widest, longest = max(width for _, width in jobs), max(seconds for seconds, _ in jobs)
        if capacity > widest:
            work = sum(seconds * width for seconds, width in jobs)
            assert time <= work / (capacity - widest) + longest + 1e-6


def test_a_schedule_worked_out_by_hand() -> None:
    # On two GPUs: 5 | 4, then 3 after the 4, then both for the wide one.
    assert makespan([(5, 1), (4, 1), (3, 1), (2, 2)], 2) == 9
    assert least_makespan([(5, 1), (4, 1), (3, 1), (2, 2)], 2) == 8
    assert makespan([(3, 0.25)] * 4 + [(1, 0.25)], 1) == 4
    assert makespan([], 3) == least_makespan([], 3) == 0


def test_finished_trials_come_before_a_pilot_before_a_guess() -> None:
    trial = resolve("cifar10", "small_cnn", "brier", 0)
    epochs = trial.training.epochs
    other = resolve("cifar10", "small_cnn", "focal_1", 3, training={"epochs": 7})
    slower = pilot(trial, 5.0, "2025-01-01")

    def estimate(frame: pd.DataFrame, *pilots: Pilot) -> tuple[float, str]:
        found = Estimates(frame, pilots, on_gpu=False)(trial)
        assert found
        return found.seconds, found.source

    # Of another loss and other epochs: what counts is the time of an epoch.
    assert estimate(finished(other, 14.0), pilot(trial, 3.0)) == (epochs * 2.0, "finished trials")
    assert estimate(pd.DataFrame(), pilot(trial, 3.0), slower) == (epochs * 3.0, "pilot")
    # Each sampler has epochs of its own length; without trials of its own, those of others count.
    more = resolve("cifar10", "small_cnn", "brier", 1, sampler="oversampled", training={"epochs": 7})
    both = pd.concat([finished(other, 14.0), finished(more, 70.0)])
    assert estimate(both)[0] == epochs * 2.0
    sampled = Estimates(both, [], on_gpu=False)
    for sampler, seconds in (("oversampled", 10.0), ("undersampled", 6.0)):
        found = sampled(resolve("cifar10", "small_cnn", "mmce", 1, sampler=sampler))
        assert found and (found.seconds, found.source) == (epochs * seconds, "finished trials")
    # With SAM an epoch has two passes.
    twice = resolve("cifar10", "small_cnn", "focal_1", 3, training={"epochs": 7, "sam": 0.05})
    assert estimate(finished(twice, 14.0)) == (epochs * 1.0, "finished trials")
    of_sam = Estimates(pd.DataFrame(), [pilot(trial, 3.0)], on_gpu=False)(twice)
    assert of_sam and of_sam.seconds == 7 * 2 * 3.0
    assert estimate(finished(resolve("digits", "small_cnn", "brier", 0), 1.0))[1] == "guess"
    bfloat16 = resolve("cifar10", "small_cnn", "brier", 0, training={"precision": "bfloat16"})
    assert estimate(finished(bfloat16, 1.0))[1] == "guess"
    # Multiply-adds of small_cnn's layers on 32 x 32 pixels, twice, as torch counts them.
    products = 32 * 32 * 27 * 16 + 16 * 16 * 144 * 32 + 8 * 8 * 288 * 32 + 128 * 10
    expected = 2 * products * (3 * 45_000 + 5_000 + 10_000) / GUESSED_FLOPS_PER_SECOND["core"]
    assert estimate(pd.DataFrame())[0] == pytest.approx(epochs * expected)


CARD = GpuRecord(
    "NVIDIA H100 80GB HBM3",
    "2027-01-02",
    (
        Speed("resnet50", "bfloat16", False, 160e12),
        Speed("resnet50", "float32", False, 32e12),
        Speed("wide_resnet_26_10", "bfloat16", False, 600e12),
        Speed("resnet50", "bfloat16", True, 250e12),
    ),
)


def test_a_card_that_was_measured_comes_before_a_guess_and_after_a_pilot() -> None:
    def estimate(
        model: str, *pilots: Pilot, dataset: str = "cifar10", on_gpu: bool = True, **training: object
    ) -> Estimate:
        trial = resolve(dataset, model, "brier", 0, training=training)
        found = Estimates(pd.DataFrame(), pilots, on_gpu, card=CARD)(trial)
        assert found
        return found

    flops = operations.flops_per_epoch(resolve("cifar10", "resnet50", "brier", 0))
    assert flops is not None
    found = estimate("resnet50", precision="bfloat16", epochs=7)
    assert found.seconds == pytest.approx(7 * flops / 160e12) and found.source == "card"
    assert found.measured == "NVIDIA H100 80GB HBM3 in bfloat16 on 2027-01-02"
    assert estimate("resnet50", epochs=7).seconds == pytest.approx(7 * flops / 32e12)
    compiled = estimate("resnet50", precision="bfloat16", compile=True, epochs=7)
    assert compiled.seconds == pytest.approx(7 * flops / 250e12) and "compiled" in compiled.measured

    larger = resolve("tiny_imagenet", "resnet50_tiny", "brier", 0, training={"precision": "bfloat16"})
    scaled = estimate("resnet50_tiny", dataset="tiny_imagenet", precision="bfloat16")
    expected = larger.training.epochs * (operations.flops_per_epoch(larger) or 0) / 160e12
    assert scaled.seconds == pytest.approx(expected) and scaled.source == "operations"
    assert scaled.measured.startswith("resnet50 on NVIDIA H100")

    assert estimate("resnet50", on_gpu=False).source == "guess"
    trial = resolve("cifar10", "resnet50", "brier", 0)
    assert estimate("resnet50", pilot(trial, 3.0)).source == "pilot"
    none_in_this_way = dataclasses.replace(CARD, speeds=CARD.speeds[:1])
    found_none = Estimates(pd.DataFrame(), (), True, card=none_in_this_way)(trial)
    assert found_none and found_none.source == "guess"


def test_plan_names_the_measurement_and_run_starts_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = tmp_path / "recorded", str(tmp_path)
    monkeypatch.setattr(gpu_records, "FOLDER", folder)
    arguments = ["plan", "mukhoti2020", "--store", store, "--set", "seeds=1"]

    def plan(*more: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*arguments, *more], env={"COLUMNS": "200"})
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    assert "117 guessed from the network's operations at 20 TFLOP/s per GPU" in plan()
    folder.mkdir()
    rows = [
        {
            "model": speed.model,
            "precision": speed.precision,
            "compile": speed.compile,
            "images_per_second": speed.flops_per_second / 1e10,
            "training_flops_per_image": 1e10,
        }
        for speed in CARD.speeds
    ]
    steps = {"card": {"found": {"identity": {"name": CARD.card}}}, "speed": {"speeds": rows}}
    content = {"format": 1, "device": "cuda", "tiny": False, "started": CARD.date, "steps": steps}
    (folder / "gpu-nvidia-h100-2027-01-02.json").write_text(json.dumps(content))
    message = plan("--gpu-card", "h100", "--set", "training.precision=bfloat16")
    # Of CIFAR-10 and 100 two networks are measured; the two others get what the slowest gets.
    assert "52 as measured on NVIDIA H100 80GB HBM3 in bfloat16 on 2027-01-02" in message
    assert "65 scaled by operations from resnet50 on NVIDIA H100 80GB HBM3 in bfloat16" in message
    assert "guessed" not in message
    assert "13 as measured" not in plan() and "guessed" not in plan()
    with pytest.raises(ConfigurationError, match="NVIDIA H100 80GB HBM3"):
        CliRunner().invoke(app, [*arguments, "--gpu-card", "H200"], catch_exceptions=False)

    def first_of_cifar10() -> str:
        order: list[Trial] = []
        monkeypatch.setattr(
            run,
            "run_trials",
            lambda assignment, *rest: order.extend(iter(assignment.source.next, None)) or Outcome(left=1),
        )
        sets = ["seeds=1", "training.precision=bfloat16"]
        run.run("mukhoti2020", store, sets)
        return next(trial.model.label for trial in order if trial.dataset.label == "cifar10")

    # More operations take less time where the card is faster at them.
    assert first_of_cifar10() == "resnet110"
    monkeypatch.setattr(gpu_records, "FOLDER", tmp_path / "none")
    assert first_of_cifar10() == "wide_resnet_26_10"


@pytest.mark.slow
def test_recorded_operations_match_torch(torchvision: ModuleType) -> None:
    counted = {
        dataset: {model: cost.forward_flops(dataset, model) for model in recorded}
        for dataset, recorded in operations.FORWARD.items()
    }
    assert counted == operations.FORWARD
    for dataset, model in itertools.product(DATASETS.names(), MODELS.names()):
        try:
            trial = resolve(dataset, model, "brier", 0)
        except ConfigurationError:
            continue
        if DATASETS[dataset].spec.image_size:
            assert trial.model.label in counted[dataset], trial


def test_custom_parameters_are_counted() -> None:
    trial = resolve("digits", ("mlp", {"hidden": 7, "layers": 1}), "brier", 0)
    forward = 2 * (64 * 7 + 7 * 10)
    assert operations.flops_per_epoch(trial) == forward * (3 * 300 + 300 + 1197)
    assert operations.flops_per_epoch(resolve("sst", "tree_lstm", "brier", 0)) is None


def test_trials_of_one_cell_are_not_counted_to_order_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(trial: Trial) -> float:
        raise AssertionError(f"{trial} was counted")

    monkeypatch.setattr("orchestrator.cluster.estimates.flops_per_epoch", count)
    trials = [resolve("digits", ("mlp", {"hidden": 7}), "brier", seed) for seed in (3, 0, 2)]
    assert longest_first(trials, Estimates(pd.DataFrame(), [], on_gpu=False)) == trials


def test_long_trials_and_unknown_ones_start_first() -> None:
    long = resolve("cifar10", "small_cnn", "brier", 0)
    short = resolve("digits", "small_cnn", "focal_1", 0)
    unknown = resolve("digits", "mlp", "focal_1", 0)
    estimates = Estimates(pd.DataFrame(), [pilot(long, 9.0), pilot(short, 1.0)], on_gpu=True)
    assert longest_first([short, long], estimates) == [long, short]

    class Unknown(Estimates):
        def _flops_per_epoch(self, cell: tuple[str, str, str], trial: Trial) -> None:
            return None

    estimates = Unknown(pd.DataFrame(), [pilot(long, 9.0), pilot(short, 1.0)], on_gpu=True)
    assert longest_first([short, long, unknown], estimates) == [unknown, long, short]


def test_a_pilot_takes_its_share_of_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    clock = [0.0]

    class Run(cost.TrialRun):
        def advance(self) -> dict[str, float | None]:
            assert self.trial.training.sam == 0
            seen[:] = [len(part) for part in (self.dataset.train, self.dataset.validation, self.dataset.test)]
            clock[0] += 1000.0 if self.epoch == 0 else 0.25
            return super().advance()

    monkeypatch.setattr(cost, "TrialRun", Run)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    settings = {"batch_size": 10, "sam": 0.05}
    trial = resolve(("digits", {"training_samples": 1200}), "mlp", "brier", 0, training=settings)
    measured = cost.pilot(trial, None, torch.device("cpu"))
    # 12 steps of 10 are a tenth of 1,200.
    assert seen == [120, 30, 30]
    assert measured.seconds_per_epoch == pytest.approx(2.5) and measured.device == "cpu"


def test_marks_match_the_data_sets() -> None:
    spec, digits = DATASETS["digits"].spec, datasets.load("digits")
    parts = tuple(len(part) for part in (digits.train, digits.validation, digits.test))
    assert (spec.samples, spec.classes) == (parts, digits.num_classes)
    assert spec.image_shape == digits.input_shape


def test_the_latest_pilot_is_kept_and_a_damaged_one_forgotten(tmp_path: Path) -> None:
    store, trial = Store(str(tmp_path)), resolve("digits", "mlp", "brier", 0)
    assert kept(store) == []
    keep(store, pilot(trial, 3.0, "2026-01-01"))
    keep(store, pilot(trial, 2.0, "2026-01-02"))
    assert kept(store) == [pilot(trial, 2.0, "2026-01-02")]
    (file,) = (tmp_path / "pilots").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-5])
    assert kept(store) == []


@pytest.mark.slow
def test_plan_prices_the_rest(tmp_path: Path) -> None:
    store = str(tmp_path)
    output = printed("plan", "mukhoti2020", "--store", store, "--gpus", "8", "--price-per-gpu-hour", "3")
    # This source tree carries what a card was measured to do.
    hours = float(re.search(r"585 trials, ([\d,]+) GPU-hours: 520 as measured", output)[1].replace(",", ""))  # type: ignore[index]
    price = float(re.search(r"([\d,.]+) at 3 an hour", output)[1].replace(",", ""))  # type: ignore[index]
    assert price == pytest.approx(3 * hours, rel=1e-3)
    assert "on 8 GPUs, until" in output and "in any order" in output
    assert "exceed the budget of 100" in printed(
        "plan", "mukhoti2020", "--store", store, "--budget-gpu-hours", "100", code=1
    )
    with pytest.raises(ConfigurationError, match=r"a trial needs 1 GPU, so it never starts on 0\.5"):
        printed("plan", "mukhoti2020", "--gpus", "0.5")

    assert not list(tmp_path.iterdir())
    arguments = ["plan", "quickstart", "--store", store, "--pilot", "--set", "seeds=1"]
    output = printed(*arguments)
    assert re.search(r"pilot: digits / small_cnn: an epoch takes \d+\.\d\d s", output)
    assert "26 trials" in output and "26 by a pilot" in output and "a pilot" in printed(*arguments[:4])
