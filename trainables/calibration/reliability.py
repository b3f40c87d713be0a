"""The data of a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges, top_label, totals
from trainables.metrics.checks import checked_bins, checked_probabilities


@dataclass(frozen=True)
class ReliabilityBins:
    """The data of a reliability diagram, on the CPU in float64. Empty bins have confidence and accuracy 0.

    Attributes:
        edges: [bins + 1]; bin b holds confidences in (edges[b], edges[b + 1]].
        counts: Samples in each bin, [bins].
        confidences: Mean confidence of each bin, [bins].
        accuracies: Fraction of correct predictions in each bin, [bins].
    """

    edges: Tensor
    counts: Tensor
    confidences: Tensor
    accuracies: Tensor


def reliability_bins(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> ReliabilityBins:
    """Counts, mean confidence and accuracy of the bins of `ece`. Guo et al. 2017, section 2."""
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
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
