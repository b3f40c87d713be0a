"""Metrics against the released code, torchmetrics, netcal and plain loops; scores; refused input."""

from __future__ import annotations

import itertools
import math

import netcal.metrics
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables import calibration
from trainables.catalogue import METRICS
from trainables.errors import InputError
from trainables.metrics import compute
from trainables.metrics.confident_share import confident_share

RELEASED = {
    "error": "error",
    "nll_mean": "nll",
    "ece15": "ece",
    "adaece15": "adaptive_ece",
    "classwise_ece15": "classwise_ece",
    "mce15": "mce",
}
SCORES = [
    "error",
    "nll",
    "brier",
    "ece",
    "adaptive_ece",
    "classwise_ece",
    "mce",
    "top_1_accuracy",
    "top_5_accuracy",
    "confident_share",
    "confident_accuracy",
    "mean_confidence",
]


def draw(samples, classes, seed=0, scale=2.0, sharpness=0.6):
    """Logits whose labels are drawn from a less sure distribution: a network that is overconfident."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(samples, classes, generator=generator)
    labels = torch.multinomial((sharpness * logits).softmax(1), 1, generator=generator).squeeze(1)
    return logits, labels


@st.composite
def predictions(draw_from):
    samples = draw_from(st.integers(1, 60))
    classes = draw_from(st.integers(1, 9))
    scale = draw_from(st.sampled_from([0.0, 0.3, 2.0, 10.0, 100.0]))
    return draw(samples, classes, draw_from(st.integers(0, 10**6)), scale)


@pytest.mark.parametrize(("bits", "dtype"), [("f32", torch.float32), ("f64", torch.float64)])
def test_scores_are_those_of_the_released_code(case, bits, dtype):
    logits = case.logits.to(dtype)
    scores = calibration.score(logits, case.labels)
    expected = {ours: case.facts[f"metrics_{bits}"][theirs] for theirs, ours in RELEASED.items()}
    expected["brier"] = case.facts["losses"]["brier_score"][f"value_{bits}"]
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=2e-6)
    for criterion in ("ece", "nll"):
        temperature = case.facts[f"temperature_{bits}"][f"T_opt_{criterion}"]
        scores = calibration.score(logits, case.labels, temperature)
        message = case.facts[f"temperature_{bits}"][f"after_T_opt_{criterion}"]
        for theirs, ours in RELEASED.items():
            assert scores[ours] == pytest.approx(message[theirs], abs=2e-6), (criterion, ours)


def test_reliability_bins_are_those_of_the_released_code(case):
    bins = calibration.reliability_bins(case.logits.softmax(1), case.labels)
    message = case.facts["metrics_f32"]
    assert bins.counts.tolist() == message["bin_counts"]
    assert bins.accuracies.tolist() == pytest.approx(message["bin_acc"], abs=2e-6)
    assert bins.confidences.tolist() == pytest.approx(message["bin_conf"], abs=2e-6)


@pytest.mark.parametrize(("samples", "classes", "bins"), [(300, 7, 15), (41, 2, 10), (1000, 30, 20)])
def test_metrics_agree_with_torchmetrics_and_netcal(torchmetrics, samples, classes, bins):
    logits, labels = draw(samples, classes)
    probabilities = logits.softmax(1)
    for name, norm, other in (("ece", "l1", netcal.metrics.ECE), ("mce", "max", netcal.metrics.MCE)):
        ours = getattr(calibration, name)(probabilities, labels, bins=bins)
        theirs = torchmetrics.classification.MulticlassCalibrationError(classes, n_bins=bins, norm=norm)
        assert ours == pytest.approx(theirs(probabilities, labels).item(), abs=1e-6)
        if classes > 2:  # of two classes netcal measures the second, not the likelier
            theirs = other(bins).measure(probabilities.numpy(), labels.numpy())
            assert ours == pytest.approx(float(theirs), abs=1e-6)
    for k in (1, 3, 5):
        if k <= classes:
            theirs = torchmetrics.classification.MulticlassAccuracy(classes, top_k=k, average="micro")
            ours = calibration.top_k_accuracy(probabilities, labels, k)
            assert ours == pytest.approx(theirs(probabilities, labels).item(), abs=1e-6)


def plain_ece(confidences, correct, edges):
    total = 0.0
    for lower, upper in itertools.pairwise(edges):
        inside = (confidences > lower) & (confidences <= upper)
        if inside.any():
            total += inside.mean() * abs(confidences[inside].mean() - correct[inside].mean())
    return total


@given(predictions(), st.integers(1, 20))
@settings(max_examples=40, derandomize=True)
def test_metrics_agree_with_plain_loops(drawn, bins):
    logits, labels = drawn
    probabilities = logits.softmax(1)
    p, y = probabilities.double().numpy(), labels.numpy()
    confidences, correct = p.max(1), p.argmax(1) == y
    even = torch.linspace(0, 1, bins + 1).double().numpy()
    mass = np.interp(np.linspace(0, len(y), bins + 1), np.arange(len(y)), np.sort(confidences))
    classes = [plain_ece(p[:, k], y == k, even) for k in range(y.max() + 1)]
    one_hot = np.eye(p.shape[1])[y]
    expected = {
        "ece": plain_ece(confidences, correct, even),
        "adaptive_ece": plain_ece(confidences, correct, mass),
        "classwise_ece": np.mean(classes),
    }
    measured = {name: getattr(calibration, name)(probabilities, labels, bins=bins) for name in expected}
    assert measured == pytest.approx(expected, abs=1e-9)
    assert calibration.brier(probabilities, labels) == pytest.approx(
        ((p - one_hot) ** 2).sum(1).mean(), abs=1e-6
    )
    message = calibration.reliability_bins(probabilities, labels, bins)
    assert message.counts.sum() == len(y)
    gaps = (message.confidences - message.accuracies).abs()
    assert calibration.mce(probabilities, labels, bins) == pytest.approx(gaps.max().item())
    assert measured["ece"] == pytest.approx((message.counts * gaps).sum().item() / len(y))


@given(predictions(), st.floats(0.05, 20.0))
@settings(max_examples=40, derandomize=True)
def test_scores_keep_their_bounds_and_their_meaning(drawn, temperature):
    logits, labels = drawn
    scores, scaled = calibration.score(logits, labels), calibration.score(logits, labels, temperature)
    assert list(scores) == SCORES
    for name, value in scores.items():
        upper = {"nll": math.inf, "brier": 2.0}.get(name, 1.0)
        assert 0 <= value <= upper + 1e-6 or name == "confident_accuracy", name
    for name in ("error", "top_1_accuracy", "top_5_accuracy"):
        assert scaled[name] == scores[name]
    assert scores["top_1_accuracy"] == pytest.approx(1 - scores["error"])
    assert scores["top_1_accuracy"] <= scores["top_5_accuracy"]
    assert math.isnan(scores["confident_accuracy"]) == (scores["confident_share"] == 0)
    if logits.shape[1] <= 5:
        assert scores["top_5_accuracy"] == 1.0
    assert scores["ece"] <= scores["mce"] + 1e-9
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    shuffled = calibration.score(logits[order], labels[order])
    assert shuffled == pytest.approx(scores, abs=1e-9, nan_ok=True)


def test_scores_match_the_metrics():
    logits, labels = draw(257, 11, scale=4.0)
    probabilities = logits.softmax(1)
    specs = {name: METRICS[name].spec for name in METRICS.names()}
    committed = [name for name, spec in specs.items() if spec.at_commit and not spec.against_test]
    expected = {name: compute(name, probabilities, labels) for name in committed}
    assert 0 < expected["confident_share"] < 1
    assert calibration.score(logits, labels) == pytest.approx(expected, abs=1e-6)


def test_classes_that_do_not_occur_count_in_classwise_ece_up_to_the_last_that_does():
    probabilities = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.1, 0.7, 0.1, 0.1]])
    # Classes 0, 1, 2 of which 2 is never true: gaps per class, each sample alone in its bin.
    labels = torch.tensor([0, 1])
    expected = np.mean([(0.5 + 0.1) / 2, (0.3 + 0.3) / 2])
    assert calibration.classwise_ece(probabilities, labels) == pytest.approx(expected)


def test_adaptive_ece_leaves_out_the_least_confident_sample():
    probabilities = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]], dtype=torch.float64)
    right = torch.zeros(4, dtype=torch.int64)
    assert calibration.adaptive_ece(probabilities, right, bins=4) == pytest.approx((0.3 + 0.2 + 0.1) / 4)
    wrong_first = torch.tensor([1, 0, 0, 0])
    assert calibration.adaptive_ece(probabilities, wrong_first, bins=4) == pytest.approx(
        (0.3 + 0.2 + 0.1) / 4
    )


def test_an_edge_belongs_to_the_bin_below():
    probabilities = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.51, 0.49]])
    bins = calibration.reliability_bins(probabilities, torch.zeros(3, dtype=torch.int64), bins=2)
    assert bins.counts.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("logits", "label", "expected"),
    [
        (torch.zeros(1, 1), 0, {"error": 0, "nll": 0, "ece": 0, "adaptive_ece": 0, "mean_confidence": 1}),
        (torch.zeros(6, 4), 0, {"error": 0, "ece": 0.75, "adaptive_ece": 0, "mce": 0.75, "nll": math.log(4)}),
        (torch.zeros(6, 4), 3, {"error": 1, "ece": 0.25, "top_1_accuracy": 0, "top_5_accuracy": 1}),
        (
            torch.tensor([[1e4, -1e4, 0.0]]),
            1,
            {"error": 1, "nll": 2e4, "ece": 1, "brier": 2, "confident_share": 1},
        ),
        (torch.tensor([[-3e38, 3e38]]), 1, {"error": 0, "nll": 0, "ece": 0}),
        (torch.arange(8.0)[None], 3, {"top_5_accuracy": 1, "top_1_accuracy": 0}),
        (torch.arange(8.0)[None], 2, {"top_5_accuracy": 0}),
    ],
)
def test_degenerate_input_has_the_value_its_definition_gives(logits, label, expected):
    labels = torch.full((len(logits),), label)
    scores = calibration.score(logits, labels)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    calibration.evaluate(logits, labels, logits, labels)


def test_a_true_class_without_probability_has_infinite_nll():
    assert calibration.nll(torch.tensor([[1.0, 0.0]]), torch.tensor([1])) == math.inf


def test_half_precision_and_small_integers_are_taken():
    logits, labels = draw(50, 4, scale=5.0)
    low = logits.bfloat16()
    assert calibration.score(low, labels.to(torch.uint8)) == calibration.score(low.float(), labels)


def test_evaluate_fits_on_validation_and_scores_both_parts():
    val, test = draw(300, 6, seed=1, scale=4.0), draw(200, 6, seed=2, scale=4.0)
    result = calibration.evaluate(*val, *test)
    assert all(type(value) is float for value in result.values())
    names = {f"temperature_{criterion}" for criterion in ("ece", "adaptive_ece", "nll")}
    for part, data in (("validation", val), ("test", test)):
        before = calibration.score(*data)
        names |= {f"{part}_{name}" for name in before}
        assert {name: result[f"{part}_{name}"] for name in before} == pytest.approx(before)
        for criterion in ("ece", "adaptive_ece", "nll"):
            temperature = calibration.fit_temperature(*val, criterion=criterion)
            assert result[f"temperature_{criterion}"] == temperature != 1.0
            after = calibration.score(*data, temperature=temperature)
            measured = {name: result[f"{part}_{name}_after_{criterion}"] for name in after}
            assert measured == pytest.approx(after, nan_ok=True)
            names |= {f"{part}_{name}_after_{criterion}" for name in after}
    assert set(result) == names


LOGITS, LABELS = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(3), LABELS, r"shape \[N, K\]"),
        (LOGITS, torch.zeros(3, 1, dtype=torch.int64), r"labels \[N\]"),
        (LOGITS, LABELS[:2], "3 samples, but labels has 2"),
        (torch.zeros(0, 2), LABELS[:0], "empty"),
        (torch.zeros(3, 0), LABELS, "empty"),
        (LOGITS.long(), LABELS, "floating point"),
        (LOGITS, LABELS.float(), "whole numbers"),
        (LOGITS, LABELS + 2, r"0\.\.1"),
        (LOGITS, LABELS - 1, r"0\.\.1"),
        (LOGITS.log(), LABELS, "finite"),
        (LOGITS * math.nan, LABELS, "finite"),
        (LOGITS.numpy(), LABELS, "torch tensor"),
    ],
)
def test_logits_without_scores_are_refused_in_one_line(logits, labels, message):
    for function in (calibration.score, calibration.fit_temperature):
        with pytest.raises(InputError, match=message) as refusal:
            function(logits, labels)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (torch.tensor([[0.5, 0.6]]), "sum to 1"),
        (torch.tensor([[2.0, -1.0]]), r"in \[0, 1\]"),
        (torch.tensor([[math.nan, 1.0]]), r"in \[0, 1\]"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        calibration.ece,
        calibration.adaptive_ece,
        calibration.classwise_ece,
        calibration.mce,
        calibration.nll,
        calibration.brier,
        calibration.error,
        calibration.top_k_accuracy,
        confident_share,
        calibration.reliability_bins,
    ],
)
def test_values_that_are_not_probabilities_are_refused(function, probabilities, message):
    with pytest.raises(InputError, match=message):
        function(probabilities, torch.tensor([0]))


def test_settings_that_cannot_work_are_refused():
    probabilities, labels = LOGITS.softmax(1), LABELS
    for refused in (
        lambda: calibration.ece(probabilities, labels, bins=0),
        lambda: calibration.top_k_accuracy(probabilities, labels, k=0),
        lambda: calibration.score(LOGITS, LABELS, temperature=0.0),
        lambda: calibration.score(LOGITS, LABELS, temperature=math.nan),
        lambda: calibration.fit_temperature(LOGITS, LABELS, criterion="mce"),
        lambda: calibration.evaluate(LOGITS, LABELS, torch.zeros(3, 5), LABELS),
    ):
        with pytest.raises(InputError):
            refused()
