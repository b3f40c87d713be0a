"""Balanced error."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.checks import checked_probabilities
from trainables.metrics.per_class import hits
from trainables.registry import register


@register(
    "balanced_error",
    spec={
        "title": "Balanced error",
        "meaning": "Mean over classes of the classification error on each",
        "unit": "percent",
        "direction": "lower",
        "order_only": True,
    },
)
def balanced_error(probabilities: Tensor, labels: Tensor) -> float:
    """Mean over classes of the share of their samples whose predicted class is wrong.

    Classes without samples are excluded. It is `error` where each class has equally many samples. One minus
    the balanced accuracy of Brodersen et al., 'The Balanced Accuracy and Its Posterior Distribution' (ICPR
    2010).
    """
    true, _, correct = hits(*checked_probabilities(probabilities, labels))
    return 1 - float((correct / true)[true > 0].mean())
