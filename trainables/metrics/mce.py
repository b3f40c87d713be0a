"""Maximum calibration error."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges, top_label, totals
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.registry import register


@register(
    "mce",
    spec={
        "title": "MCE",
        "meaning": "Maximum calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "at_commit": True,
    },
)
def mce(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Maximum calibration error: the largest gap of any bin of `ece`, however few samples it has.

    Empty bins have no gap. Naeini et al. 2015; Guo et al. 2017, equation 5.
    """
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    return float(largest_gap(confidences, correct, checked_bins(bins)))


def largest_gap(confidences: Tensor, correct: Tensor, bins: int) -> Tensor:
    chosen = bin_of(confidences, equal_width_edges(bins, correct.device))
    counts = totals(chosen, torch.ones_like(confidences), bins)
    sums = totals(chosen, confidences.double() - correct.double(), bins)
    return (sums.abs() / counts.clamp_min(1)).max()
