"""Reliability and resolution, parts of the Brier score for two classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges, totals
from trainables.metrics.checks import checked_binary, checked_bins
from trainables.registry import register


@register(
    "brier_reliability",
    spec={
        "title": "Brier reliability",
        "meaning": "Reliability part of the Brier score for two classes",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "classes": 2,
    },
)
def brier_reliability(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Mean squared gap between the mean probability and the share of the second class in each bin, twice.

    Murphy, 'A New Vector Partition of the Probability Score' (1973), equation 10: Brier score = reliability -
    resolution + uncertainty, exactly so if the probabilities within each bin are equal. Twice, since `brier`
    sums over both classes. Bins (lower, upper] of equal width; 0 is in the first.

    Raises:
        InputError: There are not two classes.
    """
    counts, predicted, observed = _binned(probabilities, labels, bins)
    return 2 * float((counts * (predicted - observed) ** 2).sum() / counts.sum())


@register(
    "brier_resolution",
    spec={
        "title": "Brier resolution",
        "meaning": "Resolution part of the Brier score for two classes",
        "unit": "percent",
        "direction": "higher",
        "bins": True,
        "classes": 2,
    },
)
def brier_resolution(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Mean squared gap between the shares of the second class in each bin and among all samples, twice.

    Murphy 1973, as `brier_reliability`.

    Raises:
        InputError: There are not two classes.
    """
    counts, _, observed = _binned(probabilities, labels, bins)
    share = (counts * observed).sum() / counts.sum()
    return 2 * float((counts * (observed - share) ** 2).sum() / counts.sum())


def _binned(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Samples, mean probability and share of the second class in each bin that is not empty, float64."""
    values, positive = checked_binary(probabilities, labels)
    # 0 is below the first edge, but a probability like any other.
    chosen = bin_of(values, equal_width_edges(checked_bins(bins), values.device)).clamp_min(0)
    counts, sums, positives = (
        totals(chosen, each, bins) for each in (torch.ones_like(values), values, positive)
    )
    there = counts > 0
    return counts[there], (sums / counts)[there], (positives / counts)[there]
