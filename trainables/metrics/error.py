"""Classification error."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.bins import top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "error",
    spec={
        "title": "Error",
        "meaning": "Classification error",
        "unit": "percent",
        "direction": "lower",
        "order_only": True,
        "at_commit": True,
    },
)
def error(probabilities: Tensor, labels: Tensor) -> float:
    """Share of samples whose predicted class is wrong."""
    correct = top_label(*checked_probabilities(probabilities, labels))[1]
    return 1 - float(correct.double().mean())
