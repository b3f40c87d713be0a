"""Scores of the probability of each class against all others."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.brier import brier_scores
from trainables.metrics.checks import checked_bins, checked_one_vs_all
from trainables.metrics.classwise_ece import classwise_excess
from trainables.registry import register


@register(
    "one_vs_all_ece",
    spec={
        "title": "One-vs-all ECE",
        "meaning": "Expected calibration error of each class against all others, mean over classes",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "one_vs_all": True,
    },
)
def one_vs_all_ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Mean over all K classes of the expected calibration error of that class's probability.

    Bins (lower, upper] of equal width; 0 is in the first. If each row sums to 1, it is `classwise_ece`,
    which however leaves out probabilities of 0 and the classes above the last that occurs.
    """
    probabilities, labels = checked_one_vs_all(probabilities, labels)
    # 0 is below the first edge, but a probability like any other.
    excess = classwise_excess(
        probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny), labels, checked_bins(bins)
    )
    return float(excess.abs().sum(dim=1).mean() / len(labels))


@register(
    "one_vs_all_nll",
    spec={
        "title": "One-vs-all NLL",
        "meaning": "Negative log-likelihood of each class against all others, summed over classes",
        "unit": "nats",
        "direction": "lower",
        "one_vs_all": True,
    },
)
def one_vs_all_nll(probabilities: Tensor, labels: Tensor) -> float:
    """Binary cross-entropy of each class against all others in nats, summed over classes, mean over samples.

    Infinite if a true class has probability 0, or another class 1.
    """
    probabilities, labels = checked_one_vs_all(probabilities, labels)
    probabilities = probabilities.double().clamp(0, 1)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    others = torch.log1p(-probabilities.scatter(1, labels[:, None], 0.0)).sum(dim=1)
    return float(-(true.log() + others).mean())


@register(
    "one_vs_all_brier",
    spec={
        "title": "One-vs-all Brier",
        "meaning": "Brier score of each class against all others, summed over classes",
        "unit": "percent",
        "direction": "lower",
        "one_vs_all": True,
    },
)
def one_vs_all_brier(probabilities: Tensor, labels: Tensor) -> float:
    """Squared distance from the one-hot label, summed over classes, mean over samples: 0 to K.

    If each row sums to 1, it is `brier`.
    """
    return float(brier_scores(*checked_one_vs_all(probabilities, labels)).mean())
