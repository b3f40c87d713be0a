"""Classwise expected calibration error."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges, totals
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.registry import register


@register(
    "classwise_ece",
    spec={
        "title": "Classwise-ECE",
        "meaning": "Classwise expected calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "at_commit": True,
    },
)
def classwise_ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Mean over classes of the expected calibration error of that class's probability.

    As released by Mukhoti et al. 2020, for comparison with published numbers: bins (lower, upper] of equal
    width, a probability of exactly 0 in none, and the mean over classes 0..max(label), not over all K:
    classes above the last that occurs are excluded. Defined in Kull et al., 'Beyond temperature scaling'
    (NeurIPS 2019).
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    return float(classwise_gap(classwise_excess(probabilities, labels, checked_bins(bins)), labels))


def classwise_excess(probabilities: Tensor, labels: Tensor, bins: int, zero: float = 0.0) -> Tensor:
    """Sum of (probability - truth) over the samples in each class's bins, float64 [K, bins].

    Args:
        zero: Probabilities up to this count as 0, which is in no bin.
    """
    edges = equal_width_edges(bins, labels.device)
    classes = probabilities.shape[1]
    # Few of the N x K probabilities leave the first bin. Bin those one by one; the first bin holds the rest
    # of each class's sum.
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
    """`classwise_ece` from the sums [K, bins] over all samples and their labels [N]."""
    return excess[: int(labels.max()) + 1].abs().sum(dim=1).mean() / len(labels)
