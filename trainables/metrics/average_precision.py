"""Average precision for two classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.metrics.bins import same_but_for_rounding
from trainables.metrics.checks import checked_binary
from trainables.registry import register


@register(
    "average_precision",
    spec={
        "title": "Average precision",
        "meaning": "Average precision of the probability of the second of two classes",
        "unit": "percent",
        "direction": "higher",
        "classes": 2,
    },
)
def average_precision(probabilities: Tensor, labels: Tensor) -> float:
    """Precision averaged over the steps of recall, sum of (R_n - R_(n-1)) P_n, for the second of two classes.

    Each n is a threshold of the class's probability; samples of equal probability are above it together.
    Guessing gives the share of the class. As in scikit-learn, without interpolation: Davis and Goadrich, 'The
    Relationship Between Precision-Recall and ROC Curves' (ICML 2006).

    Raises:
        InputError: There are not two classes, or no sample is of the second.
    """
    values, positive = checked_binary(probabilities, labels)
    if not bool(positive.any()):
        raise InputError("average precision needs a sample of the second class.")
    ordered, order = values.sort()
    alike = same_but_for_rounding(ordered)
    # From the greatest probability on: whether a sample is the last of its threshold.
    last = torch.ones_like(alike, dtype=torch.bool)
    last[:-1] = alike.flip(0).diff() != 0
    found = positive[order].flip(0).double().cumsum(dim=0)
    chosen = torch.arange(1, len(found) + 1, dtype=torch.float64, device=found.device)
    recalls, precisions = (found / found[-1])[last], (found / chosen)[last]
    steps = recalls.diff(prepend=recalls.new_zeros(1))
    return float((steps * precisions).sum())
