"""Assigns samples to bins by confidence, on any device, without reading a value on the host."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-12
"""Confidences that differ by at most this count as equal. In float64, mathematically equal ones, such as
those of permuted logits, differ by about 1e-15, differently on each processor; unequal ones of float32 logits
differ by far more."""


def equal_width_edges(bins: int, device: torch.device | None = None) -> Tensor:
    """Edges [bins + 1] of bins of equal width over [0, 1], float64.

    They are the float32 numbers used for published results.
    """
    return torch.linspace(0, 1, bins + 1, dtype=torch.float32, device=device).double()


def equal_mass_edges(confidences: Tensor, bins: int) -> Tensor:
    """Edges [bins + 1] that divide the confidences [N] into bins of equal size, float64.

    The first edge is the least confidence, so with bins open below, its sample is in none; equal confidences
    share one bin and leave others empty. Mukhoti et al. 2020 as released.
    """
    return _edges_of(confidences.double().sort().values, bins)


def _edges_of(ordered: Tensor, bins: int) -> Tensor:
    samples = ordered.shape[-1]
    # The bins + 1 positions 0, N / bins, ..., N run one past the end, where the greatest confidence stays.
    positions = torch.arange(bins + 1, device=ordered.device, dtype=torch.float64) * (samples / bins)
    below = positions.floor().long().clamp_max(samples - 1)
    above = (below + 1).clamp_max(samples - 1)
    lower, upper = ordered[..., below], ordered[..., above]
    return lower + (upper - lower) * (positions - below)


def bin_of(values: Tensor, edges: Tensor) -> Tensor:
    """The bin of each value: b where edges[b] < value <= edges[b + 1], and -1 at or below the first edge.

    Args:
        values: [..., N].
        edges: [bins + 1], or [..., bins + 1] for each row of values.
    """
    return (torch.searchsorted(edges, values.double()) - 1).clamp_max(edges.shape[-1] - 2)


def totals(chosen: Tensor, values: Tensor, bins: int) -> Tensor:
    """Sum of the values [..., N] in each bin, float64 [..., bins]; values in bin -1 are ignored."""
    rows = torch.arange(chosen.shape[:-1].numel(), device=chosen.device).view(*chosen.shape[:-1], 1)
    sums = torch.zeros(rows.numel() * (bins + 1), dtype=torch.float64, device=values.device)
    sums.index_add_(0, (chosen + 1 + rows * (bins + 1)).flatten(), values.double().flatten())
    return sums.view(*chosen.shape[:-1], bins + 1)[..., 1:]


def weighted_gap(confidences: Tensor, correct: Tensor, edges: Tensor) -> Tensor:
    """sum over bins of (fraction of samples) x |accuracy - confidence|, [...], from [..., N] and [N].

    Fraction times gap is |sum of (confidence - correct)| / N, so counts are not needed.
    """
    excess = confidences.double() - correct.double()
    sums = totals(bin_of(confidences, edges), excess, len(edges) - 1)
    return sums.abs().sum(dim=-1) / confidences.shape[-1]


def equal_mass_gap(confidences: Tensor, correct: Tensor, bins: int) -> Tensor:
    """`weighted_gap` with bins of equal mass, [...]. The bin of a sample does not depend on rounding.

    Each edge is the confidence of a sample, and perhaps of others: all that differ by at most `ROUNDING` from
    the one before are binned with the least of them.
    """
    ordered, order = confidences.double().sort()
    alike = same_but_for_rounding(ordered)
    chosen = bin_of(alike, _edges_of(alike, bins))
    sums = totals(chosen, ordered - correct.double()[order], bins)
    return sums.abs().sum(dim=-1) / ordered.shape[-1]


def same_but_for_rounding(ordered: Tensor) -> Tensor:
    """Ascending values [..., N], each replaced by the least of those that equal it up to rounding."""
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[..., 1:] = ordered.diff() > ROUNDING
    return torch.where(first, ordered, ordered[..., :1]).cummax(-1).values


def top_label(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence of each sample and whether its predicted class is correct, [N] and bool [N]."""
    confidences, predictions = probabilities.max(dim=1)
    return confidences, predictions == labels
