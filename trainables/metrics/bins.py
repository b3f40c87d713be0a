"""Cutting samples into bins by confidence, without reading a value on the host: it runs on any device."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-12
"""Confidences no further apart than this are one. In float64 two that are equal by definition, such as those
of logits in another order, differ by some 1e-15, otherwise on each processor; those of float32 logits that
are not equal lie far further apart."""


def equal_width_edges(bins: int, device: torch.device | None = None) -> Tensor:
    """Edges [bins + 1] of bins of equal width over [0, 1], as float64.

    They are the float32 numbers that published results were binned with.
    """
    return torch.linspace(0, 1, bins + 1, dtype=torch.float32, device=device).double()


def equal_mass_edges(confidences: Tensor, bins: int) -> Tensor:
    """Edges [bins + 1] between which equally many of the confidences [N] lie, as float64.

    The first edge is the least confidence itself, so with bins open below the sample that has it is in none;
    equal confidences share one bin and leave others empty. Mukhoti et al. 2020 as released.
    """
    return _edges_of(confidences.double().sort().values, bins)


def _edges_of(ordered: Tensor, bins: int) -> Tensor:
    last = len(ordered) - 1
    # The N + 1 positions 0, N / bins, ..., N run one past the end, where the greatest confidence stays.
    positions = torch.arange(bins + 1, device=ordered.device, dtype=torch.float64) * (len(ordered) / bins)
    below = positions.floor().long().clamp_max(last)
    above = (below + 1).clamp_max(last)
    return ordered[below] + (ordered[above] - ordered[below]) * (positions - below)


def bin_of(values: Tensor, edges: Tensor) -> Tensor:
    """The bin of each value: b where edges[b] < value <= edges[b + 1], and -1 at or below the first edge."""
    return (torch.bucketize(values.double(), edges) - 1).clamp_max(len(edges) - 2)


def totals(chosen: Tensor, values: Tensor, bins: int) -> Tensor:
    """Sum of the values [N] in each bin, float64 [bins]; values in bin -1 are left out."""
    sums = torch.zeros(bins + 1, dtype=torch.float64, device=values.device)
    return sums.index_add_(0, chosen + 1, values.double())[1:]


def weighted_gap(confidences: Tensor, correct: Tensor, edges: Tensor) -> Tensor:
    """sum over bins of (share of samples) x |accuracy - confidence|, a scalar, for [N] and [N].

    Share times gap is |sum of (confidence - correct)| / N, so that counts are not needed.
    """
    excess = confidences.double() - correct.double()
    sums = totals(bin_of(confidences, edges), excess, len(edges) - 1)
    return sums.abs().sum() / len(confidences)


def equal_mass_gap(confidences: Tensor, correct: Tensor, bins: int) -> Tensor:
    """`weighted_gap` with bins of equal mass, a scalar; which bin a sample is in hangs on no rounding.

    Edges are confidences themselves, so a sample lies on each, and others that have the same confidence: all
    that differ by no more than `ROUNDING` from the one before them are binned as the least of them.
    """
    ordered, order = confidences.double().sort()
    alike = same_but_for_rounding(ordered)
    chosen = bin_of(alike, _edges_of(alike, bins))
    sums = totals(chosen, ordered - correct.double()[order], bins)
    return sums.abs().sum() / len(ordered)


def same_but_for_rounding(ordered: Tensor) -> Tensor:
    """Ascending values [N], each replaced by the least of those that are equal to it but for rounding."""
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered.diff() > ROUNDING
    return torch.where(first, ordered, ordered[0]).cummax(0).values


def top_label(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence of each sample and whether its predicted class is right, [N] and bool [N]."""
    confidences, predictions = probabilities.max(dim=1)
    return confidences, predictions == labels
