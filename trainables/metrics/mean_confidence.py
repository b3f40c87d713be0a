"""Mean confidence."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.bins import top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "mean_confidence",
    spec={
        "title": "Confidence",
        "meaning": "Mean confidence",
        "unit": "percent",
        "at_commit": True,
    },
)
def mean_confidence(probabilities: Tensor, labels: Tensor) -> float:
    """Mean probability of the predicted class."""
    return float(top_label(*checked_probabilities(probabilities, labels))[0].double().mean())
