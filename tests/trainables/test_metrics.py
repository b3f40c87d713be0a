"""Metrics against recorded libraries, torchmetrics, plain sums, and what their definitions imply."""

from __future__ import annotations

import importlib
import json
import math

import numpy as np
import pytest
import torch

from trainables.calibration import score
from trainables.calibrators.continuous_temperature import nll_temperature
from trainables.catalogue import METRICS
from trainables.errors import ConfigurationError
from trainables.metrics import compute
from trainables.metrics.bins import top_label
from trainables.metrics.smooth_ece import gap_spectrum, smoothed_gap
from trainables.registry.plugins import PLUGINS

from .record_metrics import CASES, TARGET, drawn

SPECS = {name: METRICS[name].spec for name in METRICS.names()}
OF_ONE_SET = [n for n, spec in SPECS.items() if not (spec.against_test or spec.class_counts or spec.classes)]

RECORDED = json.loads(TARGET.read_text(encoding="utf-8"))["cases"]

OFF = {"aurc": 1e-6, "augrc": 1e-6, "ks": 1e-6, "smooth_ece": 1e-3}
"""torch-uncertainty and probmetrics add up in float32; relplot smooths on a coarse grid."""


def case(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    logits, labels = drawn(*CASES[name])
    return torch.from_numpy(logits).softmax(dim=1), torch.from_numpy(labels)


@pytest.mark.parametrize("name", CASES)
def test_metrics_are_those_of_the_libraries(name: str) -> None:
    expected = dict(RECORDED[name])
    logits, labels = map(torch.from_numpy, drawn(*CASES[name]))
    assert nll_temperature(logits, labels) == pytest.approx(expected.pop("temperature_nll_continuous"))
    for metric, value in expected.items():
        ours = compute(metric, *case(name))
        assert ours == pytest.approx(value, abs=OFF.get(metric, 1e-8)), metric


@pytest.mark.parametrize(("name", "bins"), [("seven", 15), ("two", 4), ("thirty", 21)])
def test_the_l2_norm_is_that_of_torchmetrics(torchmetrics, name: str, bins: int) -> None:
    probabilities, labels = case(name)
    theirs = torchmetrics.classification.MulticlassCalibrationError(
        probabilities.shape[1], n_bins=bins, norm="l2"
    )
    expected = theirs(probabilities, labels).item()
    assert compute("ece_l2", probabilities, labels, bins=bins) == pytest.approx(expected, abs=1e-6)
    kind = importlib.import_module("torchmetrics.functional.classification.calibration_error")
    squares = []
    for number, column in enumerate(probabilities.T):
        edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
        squares.append(kind._ce_compute(column, (labels == number).double(), edges, norm="l2").item() ** 2)
    ours = compute("classwise_ece_l2", probabilities, labels, bins=bins)
    assert ours == pytest.approx(math.sqrt(np.mean(squares)), abs=1e-9)


@pytest.mark.parametrize("name", ["seven", "two", "thirty"])
def test_kuipers_error_is_that_of_probmetrics(name: str) -> None:
    probmetrics = pytest.importorskip("probmetrics.metrics")
    probabilities, labels = case(name)
    confidences, correct = top_label(probabilities, labels)
    binary = probmetrics.CategoricalProbs(torch.stack([1 - confidences, confidences], dim=1))
    truth = probmetrics.CategoricalDirac(correct.long(), n_classes=2)
    expected = float(probmetrics.KuiperCalibrationMetric()._compute_mean(truth, binary))
    assert compute("kuiper", probabilities, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.4, 0.05, 0.01])
def test_smoothing_is_with_a_reflected_gaussian(sigma: float) -> None:
    confidences, correct = top_label(*case("seven"))
    values, gaps = confidences.numpy(), (confidences - correct.double()).numpy() / len(correct)
    places = (np.arange(4000) + 0.5) / 4000
    images = [values + shift for shift in (-2, 0, 2)] + [shift - values for shift in (-2, 0, 2)]
    smoothed = sum(
        np.exp(-(((places[:, None] - image) / sigma) ** 2) / 2) @ gaps for image in images
    ) / math.sqrt(2 * math.pi * sigma**2)
    expected = float(np.abs(smoothed).mean())
    assert smoothed_gap(gap_spectrum(confidences, correct), sigma) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_bandwidth_of_smooth_ece_is_the_error_itself(name: str) -> None:
    probabilities, labels = case(name)
    value = compute("smooth_ece", probabilities, labels)
    assert smoothed_gap(gap_spectrum(*top_label(probabilities, labels)), value) == pytest.approx(value)


def test_debiasing_removes_the_bias_of_chance() -> None:
    """Of labels drawn from the probabilities themselves no error is left, on average."""
    found = {name: [] for name in ("ece_l2", "ece_l2_debiased")}
    probabilities = case("seven")[0]
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        for name, values in found.items():
            values.append(compute(name, probabilities, labels) ** 2)
    assert np.mean(found["ece_l2_debiased"]) < np.mean(found["ece_l2"]) / 2


@pytest.mark.parametrize("name", CASES)
def test_parts_add_up_to_the_score_and_scaling_changes_only_one(name: str) -> None:
    logits, labels = map(torch.from_numpy, drawn(*CASES[name]))
    for whole in ("nll", "brier"):
        parts = [
            compute(f"{whole}_{part}", logits.softmax(1), labels) for part in ("refinement", "calibration")
        ]
        assert sum(parts) == pytest.approx(compute(whole, logits.softmax(1), labels))
        scaled = compute(f"{whole}_refinement", (logits / 1.7).softmax(1), labels)
        assert scaled == pytest.approx(parts[0])


@pytest.mark.parametrize("metric", OF_ONE_SET)
def test_the_order_of_samples_changes_no_metric(metric: str) -> None:
    probabilities, labels = case("seven")
    # Many confidences are equal.
    probabilities = (probabilities * 20).round() + 1e-3
    probabilities /= probabilities.sum(dim=1, keepdim=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    value = compute(metric, probabilities, labels)
    assert compute(metric, probabilities[order], labels[order]) == pytest.approx(value, abs=1e-12)
    assert isinstance(value, float) and math.isfinite(value)


@pytest.mark.parametrize("metric", OF_ONE_SET)
def test_one_sure_sample_has_a_value_or_none_by_definition(metric: str) -> None:
    value = compute(metric, torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([1]))
    best = 1.0 if METRICS[metric].spec.direction == "higher" or "confiden" in metric else 0.0
    assert value == pytest.approx(best, abs=1e-6) or (metric in ("aurc", "augrc") and math.isnan(value))


def test_a_metric_of_a_plug_in_can_be_in_every_row(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLUGINS, "_files", PLUGINS.files)
    file = tmp_path / "least.py"
    file.write_text(
        "from trainables.registry import register\n"
        "@register('least', kind='metric',\n"
        "          spec={'title': 'Least', 'meaning': 'Least probability', 'at_commit': True})\n"
        "def least(probabilities, labels):\n"
        "    return float(probabilities.min())\n"
    )
    PLUGINS.add([file])
    logits, labels = map(torch.from_numpy, drawn(*CASES["seven"]))
    expected = (logits / 2).softmax(dim=1).min().item()
    assert score(logits, labels, 2.0)["least"] == pytest.approx(expected)


def test_bins_are_for_metrics_that_have_them() -> None:
    probabilities, labels = case("two")
    three = compute("ece", probabilities, labels, bins=3)
    assert three == compute("ece(bins=3)", probabilities, labels) != compute("ece", probabilities, labels)
    assert compute("ece(bins=15)", probabilities, labels) == compute("ece", probabilities, labels)
    with pytest.raises(ConfigurationError, match="bins"):
        compute("nll(bins=3)", probabilities, labels)
    for name in METRICS.names():
        if not METRICS[name].spec.bins:
            with pytest.raises(ConfigurationError, match="bins"):
                compute(name, probabilities, labels, bins=3)
    with pytest.raises(ConfigurationError, match="'ece'"):
        compute("ecee", probabilities, labels)
