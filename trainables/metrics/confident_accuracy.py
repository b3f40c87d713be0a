"""Accuracy of confident predictions."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.bins import top_label
from trainables.metrics.checks import checked_probabilities
from trainables.metrics.confident_share import confident
from trainables.registry import register


@register(
    "confident_accuracy",
    spec={
        "title": "S99 accuracy",
        "meaning": "Accuracy at confidence above 0.99",
        "unit": "percent",
        "direction": "higher",
        "at_commit": True,
    },
)
def confident_accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Accuracy of the samples with confidence above 0.99; NaN if there are none.

    Mukhoti et al. 2020, 'Confident and Calibrated Models'.
    """
    return float(confident(*top_label(*checked_probabilities(probabilities, labels)))[1])
