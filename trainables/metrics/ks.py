"""Kolmogorov-Smirnov calibration error."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics.bins import ROUNDING, top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "ks",
    spec={
        "title": "KS",
        "meaning": "Kolmogorov-Smirnov calibration error",
        "unit": "percent",
        "direction": "lower",
    },
)
def ks(probabilities: Tensor, labels: Tensor) -> float:
    """Largest gap between cumulative confidence and cumulative accuracy, with samples ordered by confidence.

    Needs no bins. Samples of equal confidence are added together, so their order does not matter. Gupta et
    al., 'Calibration of Neural Networks using Splines' (ICLR 2021), equation 6.
    """
    return float(cumulative_gaps(probabilities, labels).abs().max())


def cumulative_gaps(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Cumulative confidence minus accuracy at each of the M distinct confidences, increasing, float64 [M]."""
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    ordered, order = confidences.double().sort()
    gaps = (ordered - correct.double()[order]).cumsum(dim=0) / len(ordered)
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered.diff() > ROUNDING
    return gaps[last]
