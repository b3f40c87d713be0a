"""Calibration errors from sums equal those of `trainables`, and noise floors equal exact distributions."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from results.statistics import noise_floor
from results.statistics.binned import BINNED_ERRORS, CLASSWISE_ERRORS, ECE, equal_width_edges
from results.statistics.noise_floor import any_metric, classwise, top_label
from trainables.metrics import compute
from trainables.metrics.bins import equal_width_edges as edges_of_torch


def network(samples: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [N, K] with ties, ones and zeros among them, and labels [N]."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (samples, classes)).round(2)
    logits[: samples // 10] = logits[0]
    logits[-3:, 0] = 800.0
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    probabilities[5] = 0.0
    probabilities[5, :2] = 0.6, 0.4
    return probabilities, random.integers(0, classes - 1, samples)


def predicted(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def test_edges_are_those_of_torch_to_the_last_bit() -> None:
    for bins in range(1, 300):
        assert np.array_equal(equal_width_edges(bins), edges_of_torch(bins).numpy()), bins


@pytest.mark.parametrize(
    ("samples", "classes", "bins"), [(7, 3, 15), (401, 5, 15), (1009, 2, 20), (83, 11, 4)]
)
@pytest.mark.parametrize("name", [*BINNED_ERRORS, *CLASSWISE_ERRORS])
def test_observed_errors_are_those_of_the_metrics(name: str, samples: int, classes: int, bins: int) -> None:
    parts = [network(samples, classes, seed) for seed in range(3)]
    labels = parts[0][1]
    probabilities = np.stack([part for part, _ in parts])
    given = [compute(name, torch.tensor(p), torch.tensor(labels), bins=bins) for p in probabilities]
    if name in BINNED_ERRORS:
        confidences, correct = zip(*(predicted(p, labels) for p in probabilities), strict=True)
        error = dataclasses.replace(BINNED_ERRORS[name], bins=bins)
        found = top_label(np.stack(confidences), np.stack(correct), {"it": error}, draws=2)
    else:
        of_classes = dataclasses.replace(CLASSWISE_ERRORS[name], bins=bins)
        found = classwise(probabilities, labels, {"it": of_classes}, draws=2)
    assert found["it"].observed == pytest.approx(given, abs=1e-12)


def by_metric(name: str, rows: np.ndarray, labels: np.ndarray) -> float:
    return compute(name, torch.tensor(rows), torch.tensor(labels), bins=3)


@pytest.mark.parametrize("name", [*BINNED_ERRORS, *CLASSWISE_ERRORS])
def test_the_floor_is_that_of_every_way_to_label_the_samples(name: str) -> None:
    """All 3^5 labellings with their probabilities give the mean and the p-value exactly."""
    probabilities = np.random.default_rng(6).dirichlet([1, 1, 1], 5)
    labels = np.array([0, 1, 2, 0, 0])
    ways = [np.array(way) for way in itertools.product(range(3), repeat=5)]
    values = np.array([by_metric(name, probabilities, way) for way in ways])
    weights = np.array([probabilities[np.arange(5), way].prod() for way in ways])
    assert weights.sum() == pytest.approx(1)
    observed = by_metric(name, probabilities, labels)
    mean, p_value = values @ weights, weights[values >= observed - 1e-12].sum()
    assert 0.02 < p_value < 0.97, "these labels say nothing"
    draws = 20_000
    if name in BINNED_ERRORS:
        error = dataclasses.replace(BINNED_ERRORS[name], bins=3)
        floor = top_label(*predicted(probabilities, labels), {"it": error}, draws)["it"].of_mean()
    else:
        floor = classwise(
            probabilities, labels, {"it": dataclasses.replace(CLASSWISE_ERRORS[name], bins=3)}, draws
        )["it"].of_mean()
    # Five standard errors: another seed would fail in 1 of 1.7 million cases, for each of two numbers.
    spread = 5 * np.sqrt(((values - mean) ** 2) @ weights / draws)
    assert floor.observed == pytest.approx(observed, abs=1e-12)
    assert floor.mean == pytest.approx(mean, abs=spread + 1e-12)
    assert floor.p_value == pytest.approx(
        p_value, abs=5 * np.sqrt(p_value * (1 - p_value) / draws) + 1 / draws
    )


def test_the_floor_of_one_bin_is_a_folded_normal() -> None:
    """ECE with one bin is |sum of N independent gaps| / N: known mean, 95% point and p-value."""
    samples = 4001
    confidences = np.random.default_rng(1).uniform(0.4, 1.0, samples)
    correct = np.arange(samples) < confidences.sum() - 40.0
    one = dataclasses.replace(ECE, bins=1)
    floor = top_label(confidences, correct, {"ece": one}, draws=8000, seed=2)["ece"].of_mean()
    normal = stats.halfnorm(scale=np.sqrt((confidences * (1 - confidences)).sum()) / samples)
    # Standard errors are 0.8% of the mean, 1.2% of the 95% point: five of them, else 1 in a million fails.
    assert floor.mean == pytest.approx(normal.mean(), rel=0.045)
    assert floor.upper == pytest.approx(normal.ppf(0.95), rel=0.06)
    assert floor.p_value == pytest.approx(normal.sf(floor.observed), abs=0.03)


def test_any_metric_agrees_with_the_fast_way_and_needs_no_bins() -> None:
    probabilities, labels = network(61, 4, seed=8)

    def ece(rows: np.ndarray, drawn: np.ndarray) -> float:
        return compute("ece", torch.tensor(rows), torch.tensor(drawn))

    slow = any_metric(ece, probabilities, labels, draws=400)
    fast = top_label(*predicted(probabilities, labels), {"ece": ECE}, draws=4000)["ece"]
    assert slow.observed == pytest.approx(fast.observed, abs=1e-12)
    # Standard error 4% of the deviation; 0.3 of it is beyond six.
    assert slow.drawn.mean() == pytest.approx(fast.drawn.mean(), abs=0.3 * fast.drawn.std())


def test_calibration_is_rejected_as_often_as_it_should_be() -> None:
    """Of 1,000 calibrated networks 5% are rejected: 30 to 70, which would fail for one seed in 130."""
    random = np.random.default_rng(3)
    confidences = random.beta(5, 2, (1000, 101))
    correct = random.random(confidences.shape) < confidences
    some = {name: BINNED_ERRORS[name] for name in ("ece", "adaptive_ece", "mce")}
    found = top_label(confidences, correct, some, draws=199)
    rejected = {name: sum(floor.p_value <= 0.05 for floor in each.of_each()) for name, each in found.items()}
    assert 30 <= rejected["ece"] <= 70 and 30 <= rejected["adaptive_ece"] <= 70
    # That of a bin of one sample has few values, so equal ones are frequent and the test is conservative.
    assert rejected["mce"] <= 70
    overconfident = top_label(confidences**0.5, correct, {"ece": ECE}, draws=199)["ece"]
    assert sum(floor.p_value <= 0.05 for floor in overconfident.of_each()) > 500


def test_networks_are_drawn_together_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    confidences = random.uniform(0.5, 1, (3, 47))
    correct = random.random((3, 47)) < 0.8
    whole = top_label(confidences, correct, BINNED_ERRORS, draws=31)
    monkeypatch.setattr(noise_floor, "ELEMENTS_AT_ONCE", 200)
    again = top_label(confidences, correct, BINNED_ERRORS, draws=31)
    for name, each in whole.items():
        assert np.array_equal(each.drawn, again[name].drawn)
        alone = top_label(confidences[1], correct[1], BINNED_ERRORS, draws=31)[name]
        assert np.array_equal(alone.drawn[0], each.drawn[1])
        assert each.of_mean().mean == pytest.approx(np.mean([floor.mean for floor in each.of_each()]))
    twins = top_label(confidences[[0, 0]], correct[[0, 0]], {"ece": ECE}, draws=99)["ece"]
    assert twins.of_mean() == twins.of_each()[0]


@pytest.mark.parametrize(
    ("confidences", "correct"),
    [([0.5, 0.6], [True]), ([], []), ([0.5, 1.2], [True, False]), ([0.5, np.nan], [True, False])],
)
def test_input_without_an_answer_is_refused(confidences: list[float], correct: list[bool]) -> None:
    with pytest.raises(ValueError):
        top_label(confidences, correct, BINNED_ERRORS)
    with pytest.raises(ValueError):
        classwise([[0.5, 0.5], [0.9, 0.3]], [0, 1], CLASSWISE_ERRORS)
    with pytest.raises(ValueError):
        classwise([[0.5, 0.5], [0.7, 0.3]], [0, 2], CLASSWISE_ERRORS)
