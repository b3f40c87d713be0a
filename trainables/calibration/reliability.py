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
    return _binned(*top_label(*checked_probabilities(probabilities, labels)), bins)


def classwise_reliability_bins(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> ReliabilityBins:
    """The bins of `classwise_ece`: those of each class's probability, on all samples.

    Returns:
        Counts, mean probability and share of the class in each bin, each [K, bins].
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    return _binned(probabilities.T.contiguous(), labels == classes[:, None], bins)


def _binned(confidences: Tensor, correct: Tensor, bins: int) -> ReliabilityBins:
    """From [..., N] each."""
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
