"""Cutting samples into bins by confidence, without reading a value on the host: it runs on any device."""

from __future__ import annotations

import torch
from torch import Tensor


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
    ordered = confidences.double().sort().values
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
