"""Metrics for rare classes against scikit-learn, plain sums, and the definition of Murphy's parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from trainables.calibration import classwise_reliability_bins
from trainables.catalogue import METRICS
from trainables.errors import InputError
from trainables.metrics import compute
from trainables.metrics.testing import MetricConformance

from .record_metrics import CASES, drawn
from .test_kits import ran

COUNTS = (19, 400, 20, 7, 101, 100, 150)
GROUPS = {"many": [1, 4, 6], "medium": [2, 5], "few": [0, 3]}
NEW = [
    *("balanced_error", "macro_f1", "average_precision", "brier_reliability", "brier_resolution"),
    *(f"{name}_{group}" for name in ("error", "ece") for group in GROUPS),
    *(f"one_vs_all_{name}" for name in ("ece", "nll", "brier")),
]


def case(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    logits, labels = drawn(*CASES[name])
    return torch.from_numpy(logits).softmax(dim=1), torch.from_numpy(labels)


@pytest.mark.parametrize("name", NEW)
def test_they_conform(name: str) -> None:
    assert ran(MetricConformance, name) == set()
    # Rows have the scores that they had.
    assert not METRICS[name].spec.at_commit


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("name", ["seven", "two", "thirty"])
def test_means_over_classes_are_those_of_scikit_learn(name: str) -> None:
    probabilities, labels = case(name)
    # A class without samples, which is predicted, and a rare one.
    there = (labels != 1) & ((labels != 0) | (torch.arange(len(labels)) % 4 == 0))
    if name != "two":
        probabilities, labels = probabilities[there], labels[there]
    predicted = probabilities.argmax(dim=1)
    expected = sklearn.balanced_accuracy_score(labels, predicted)
    assert compute("balanced_error", probabilities, labels) == pytest.approx(1 - expected)
    expected = sklearn.f1_score(labels, predicted, average="macro", zero_division=0)
    assert compute("macro_f1", probabilities, labels) == pytest.approx(expected)


@pytest.mark.parametrize("digits", [1, 2, 16])
def test_average_precision_is_that_of_scikit_learn(digits: int) -> None:
    probabilities, labels = case("two")
    values = probabilities[:, 1].double().round(decimals=digits)
    expected = sklearn.average_precision_score(labels, values)
    assert compute("average_precision", torch.stack([1 - values, values], 1), labels) == pytest.approx(
        expected
    )


def test_groups_are_classes_by_their_training_samples() -> None:
    probabilities, labels = case("seven")
    for group, classes in GROUPS.items():
        there = torch.isin(labels, torch.tensor(classes))
        for name in ("error", "ece", "ece(bins=4)"):
            plain, bins, _ = (*name.partition("("),)
            of_group = f"{plain}_{group}{bins and '(bins=4)'}"
            expected = compute(name, probabilities[there], labels[there])
            assert compute(of_group, probabilities, labels, class_counts=COUNTS) == expected
    errors = {g: compute(f"error_{g}", probabilities, labels, class_counts=COUNTS) for g in GROUPS}
    assert len(set(errors.values())) == len(GROUPS)


@pytest.mark.parametrize("counts", [None, COUNTS[:6], (19,) * 7])
def test_without_class_counts_or_members_a_group_is_undefined(counts: tuple[int, ...] | None) -> None:
    with pytest.raises(InputError):
        compute("error_many", *case("seven"), class_counts=counts)


@pytest.mark.parametrize("name", ["average_precision", "brier_reliability", "brier_resolution"])
def test_for_more_than_two_classes_they_are_undefined(name: str) -> None:
    with pytest.raises(InputError):
        compute(name, *case("seven"))
    assert np.isfinite(compute(name, *case("two")))


def test_average_precision_needs_a_positive_sample() -> None:
    with pytest.raises(InputError):
        compute("average_precision", case("two")[0], torch.zeros_like(case("two")[1]))


@pytest.mark.parametrize("bins", [15, 4])
def test_reliability_and_resolution_are_murphys(bins: int) -> None:
    probabilities, labels = case("two")
    values, truth = probabilities[:, 1].double().numpy(), labels.numpy()
    edges = np.linspace(0, 1, bins + 1, dtype=np.float32)
    binned = pd.cut(values, edges, include_lowest=True)
    frame = pd.DataFrame({"p": values, "y": truth}).groupby(binned, observed=True)
    sizes, means, share = frame.size(), frame.mean(), truth.mean()
    reliability = 2 * np.average((means.p - means.y) ** 2, weights=sizes)
    resolution = 2 * np.average((means.y - share) ** 2, weights=sizes)
    assert compute("brier_reliability", probabilities, labels, bins=bins) == pytest.approx(reliability)
    assert compute("brier_resolution", probabilities, labels, bins=bins) == pytest.approx(resolution)

    # With equal probabilities in each bin they are the parts of the whole score.
    equal = torch.from_numpy(means.p.to_numpy()[frame.ngroup().to_numpy()])
    both = torch.stack([1 - equal, equal], dim=1)
    parts = [compute(f"brier_{part}", both, labels, bins=bins) for part in ("reliability", "resolution")]
    uncertainty = 2 * share * (1 - share)
    assert compute("brier", both, labels) == pytest.approx(parts[0] - parts[1] + uncertainty)


@pytest.mark.parametrize("bins", [15, 6])
def test_the_reliability_of_each_class_is_that_of_scikit_learn(bins: int) -> None:
    probabilities, labels = case("seven")
    found = classwise_reliability_bins(probabilities, labels, bins)
    for number, column in enumerate(probabilities.T):
        share, mean = calibration_curve(labels == number, column, n_bins=bins)
        there = found.counts[number] > 0
        assert found.accuracies[number][there].numpy() == pytest.approx(share)
        assert found.confidences[number][there].numpy() == pytest.approx(mean)
    gaps = (found.counts * (found.accuracies - found.confidences)).abs().sum(dim=1) / len(labels)
    assert gaps.mean().item() == pytest.approx(compute("classwise_ece", probabilities, labels, bins=bins))


@pytest.mark.parametrize(("name", "bins"), [("seven", 15), ("thirty", 6), ("two", 9)])
def test_scores_of_one_against_all_are_means_of_binary_ones(name: str, bins: int) -> None:
    logits, labels = case(name)[0].log(), case(name)[1]
    sigmoids = (2 * logits.double() + 1).clamp(-30, 30).sigmoid()
    sigmoids[3] = 0.0
    sigmoids[3, labels[3]] = 0.25
    errors, likelihoods = [], []
    for k, values in enumerate(sigmoids.numpy().T):
        truth = (labels == k).numpy()
        edges = np.linspace(0, 1, bins + 1, dtype=np.float32)
        frame = pd.DataFrame({"p": values, "y": truth}).groupby(
            pd.cut(values, edges, include_lowest=True), observed=True
        )
        gaps = frame.p.sum() - frame.y.sum()
        errors.append(gaps.abs().sum() / len(labels))
        likelihoods.append(sklearn.log_loss(truth, values, labels=[False, True]))
    assert compute("one_vs_all_ece", sigmoids, labels, bins=bins) == pytest.approx(np.mean(errors))
    assert compute("one_vs_all_nll", sigmoids, labels) == pytest.approx(sum(likelihoods), rel=1e-6)
    distance = np.square(sigmoids.numpy() - np.eye(sigmoids.shape[1])[labels]).sum(axis=1).mean()
    assert compute("one_vs_all_brier", sigmoids, labels) == pytest.approx(distance)


def test_scores_of_one_against_all_of_a_softmax_are_the_usual_ones() -> None:
    probabilities, labels = case("seven")
    for one_vs_all, usual in (("one_vs_all_brier", "brier"), ("one_vs_all_ece", "classwise_ece")):
        assert compute(one_vs_all, probabilities, labels) == pytest.approx(
            compute(usual, probabilities, labels)
        )
    certain = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert compute("one_vs_all_nll", certain[:1], torch.tensor([0])) == np.inf
    assert compute("one_vs_all_nll", certain[1:], torch.tensor([0])) == 0
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        compute("one_vs_all_brier", 2 * certain, torch.tensor([0, 1]))
