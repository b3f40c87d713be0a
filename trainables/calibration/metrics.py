"""Calibration metrics of predicted probabilities, each a fraction, never percent.

All take `probabilities` [N, K] and `labels` [N] on any device and return a Python float; all raise InputError
for input that has no value (shapes, NaN, labels out of range, rows that do not sum to 1, no samples). The
predicted class is the first of the most probable ones, the confidence its probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.calibration.bins import bin_of, equal_mass_gap, equal_width_edges, totals, weighted_gap
from trainables.calibration.checks import checked_bins, checked_probabilities
from trainables.errors import InputError

BINS = 15
CONFIDENT = 0.99


def error(probabilities: Tensor, labels: Tensor) -> float:
    """Share of samples whose predicted class is wrong."""
    correct = _top_label(*checked_probabilities(probabilities, labels))[1]
    return 1 - float(correct.double().mean())


def top_k_accuracy(probabilities: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of samples whose true class is among the k most probable; 1 where there are no more than k.

    Of equally probable classes the first counts as more probable, so that k = 1 is 1 - `error`.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k must be a whole number from 1 on, not {k!r}.")
    probabilities, labels = checked_probabilities(probabilities, labels)
    return float((true_ranks(probabilities, labels) < k).double().mean())


def nll(probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood in nats; infinite where a true class has probability 0."""
    probabilities, labels = checked_probabilities(probabilities, labels)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    return float(-true.double().log().mean())


def brier(probabilities: Tensor, labels: Tensor) -> float:
    """Squared distance from the one-hot label, summed over classes, mean over samples: 0 to 2.

    Brier, 'Verification of forecasts expressed in terms of probability' (Monthly Weather Review 1950).
    """
    return float(brier_scores(*checked_probabilities(probabilities, labels)).mean())


def ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error with bins (lower, upper] of equal width; empty bins count nothing.

    Naeini et al., 'Obtaining Well Calibrated Probabilities Using Bayesian Binning' (AAAI 2015); Guo et al.,
    'On Calibration of Modern Neural Networks' (ICML 2017), equation 3.
    """
    confidences, correct = _top_label(*checked_probabilities(probabilities, labels))
    return float(weighted_gap(confidences, correct, equal_width_edges(checked_bins(bins), correct.device)))


def adaptive_ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error with bins of equal mass.

    As released by Mukhoti et al. 2020, so that published numbers can be compared with: the bins are
    (lower, upper] and the first begins at the least confidence, so the sample(s) with that confidence are in
    no bin; if all confidences are equal, that is all of them, and the value is 0. Defined in Nguyen and
    O'Connor, 'Posterior calibration and exploratory analysis for NLP models' (EMNLP 2015).
    """
    confidences, correct = _top_label(*checked_probabilities(probabilities, labels))
    return float(equal_mass_gap(confidences, correct, checked_bins(bins)))


def classwise_ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Mean over classes of the expected calibration error of that class's probability.

    As released by Mukhoti et al. 2020, so that published numbers can be compared with: bins (lower, upper] of
    equal width, a probability of exactly 0 in none, and the mean over classes 0..max(label), not over all K:
    classes above the last that occurs are left out. Defined in Kull et al., 'Beyond temperature scaling'
    (NeurIPS 2019).
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    return float(classwise_gap(classwise_excess(probabilities, labels, checked_bins(bins)), labels))


def mce(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Maximum calibration error: the largest gap of any bin of `ece`, however few samples it holds.

    Empty bins have no gap. Naeini et al. 2015; Guo et al. 2017, equation 5.
    """
    confidences, correct = _top_label(*checked_probabilities(probabilities, labels))
    return float(largest_gap(confidences, correct, checked_bins(bins)))


def confident_share(probabilities: Tensor, labels: Tensor) -> tuple[float, float]:
    """Share of samples with confidence above 0.99 (|S99|), and their accuracy, NaN where there are none.

    Mukhoti et al. 2020, 'Confident and Calibrated Models'.
    """
    confidences, correct = _top_label(*checked_probabilities(probabilities, labels))
    share, accuracy = confident(confidences, correct)
    return float(share), float(accuracy)


@dataclass(frozen=True)
class ReliabilityBins:
    """What a reliability diagram shows, on the CPU in float64. Empty bins have confidence and accuracy 0.

    Attributes:
        edges: [bins + 1], bin b holding confidences in (edges[b], edges[b + 1]].
        counts: Samples in each bin, [bins].
        confidences: Mean confidence of each bin, [bins].
        accuracies: Share of each bin that is predicted right, [bins].
    """

    edges: Tensor
    counts: Tensor
    confidences: Tensor
    accuracies: Tensor


def reliability_bins(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> ReliabilityBins:
    """Counts, mean confidence and accuracy of the bins of `ece`. Guo et al. 2017, section 2."""
    confidences, correct = _top_label(*checked_probabilities(probabilities, labels))
    edges = equal_width_edges(checked_bins(bins), correct.device)
    chosen = bin_of(confidences, edges)
    counts = totals(chosen, torch.ones_like(confidences), bins)
    filled = counts.clamp_min(1)
    return ReliabilityBins(
        edges.cpu(),
        counts.cpu(),
        (totals(chosen, confidences, bins) / filled).cpu(),
        (totals(chosen, correct, bins) / filled).cpu(),
    )


def _top_label(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    confidences, predictions = probabilities.max(dim=1)
    return confidences, predictions == labels


# What follows takes checked tensors, stays on their device and returns scalars there.


def true_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the true one in falling order of the scores [N, K], int64 [N]."""
    true = scores.gather(1, labels[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    return ((scores > true) | ((scores == true) & earlier)).sum(dim=1)


def brier_scores(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Of each sample, float64 [N]."""
    others = probabilities.scatter(1, labels[:, None], 0.0).square().sum(dim=1)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    return others.double() + (1 - true.double()).square()


def largest_gap(confidences: Tensor, correct: Tensor, bins: int) -> Tensor:
    chosen = bin_of(confidences, equal_width_edges(bins, correct.device))
    counts = totals(chosen, torch.ones_like(confidences), bins)
    sums = totals(chosen, confidences.double() - correct.double(), bins)
    return (sums.abs() / counts.clamp_min(1)).max()


def classwise_excess(probabilities: Tensor, labels: Tensor, bins: int, zero: float = 0.0) -> Tensor:
    """Sum of (probability - truth) over the samples in each class's bins, float64 [K, bins].

    Args:
        zero: Up to here a probability counts as 0, which is in no bin.
    """
    edges = equal_width_edges(bins, labels.device)
    classes = probabilities.shape[1]
    # Few of the N x K probabilities leave the first bin: those are binned one by one, and what the first bin
    # holds is what they leave of each class's sum.
    samples, columns = (probabilities > edges[1].to(probabilities.dtype)).nonzero(as_tuple=True)
    values = probabilities[samples, columns]
    above = totals(columns * bins + bin_of(values, edges), values, classes * bins).view(classes, bins)
    sums = above.clone()
    sums[:, 0] = probabilities.sum(dim=0, dtype=torch.float64) - above.sum(dim=1)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    occupied = torch.where(true > zero, labels * bins + bin_of(true, edges), -1)
    sums -= totals(occupied, torch.ones_like(true), classes * bins).view(classes, bins)
    return sums


def classwise_gap(excess: Tensor, labels: Tensor) -> Tensor:
    """`classwise_ece` from the sums [K, bins] over all samples, whose labels are [N]."""
    return excess[: int(labels.max()) + 1].abs().sum(dim=1).mean() / len(labels)


def confident(confidences: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    chosen = (confidences > CONFIDENT).double()
    return chosen.mean(), (chosen * correct).sum() / chosen.sum()
