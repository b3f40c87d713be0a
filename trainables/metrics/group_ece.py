"""Expected calibration error by group of classes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.checks import checked_probabilities
from trainables.metrics.ece import ece
from trainables.metrics.per_class import of_group
from trainables.registry import register


@register(
    "ece_many",
    group="many",
    spec={
        "title": "ECE (many)",
        "meaning": "Expected calibration error on classes with more than 100 training samples",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "class_counts": True,
    },
)
@register(
    "ece_medium",
    group="medium",
    spec={
        "title": "ECE (medium)",
        "meaning": "Expected calibration error on classes with 20 to 100 training samples",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "class_counts": True,
    },
)
@register(
    "ece_few",
    group="few",
    spec={
        "title": "ECE (few)",
        "meaning": "Expected calibration error on classes with fewer than 20 training samples",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "class_counts": True,
    },
)
def group_ece(
    probabilities: Tensor,
    labels: Tensor,
    class_counts: Tensor,
    group: Literal["many", "medium", "few"],
    bins: int = BINS,
) -> float:
    """`ece` of the samples whose true class is in a group.

    The groups are those of `group_error`. A network that is calibrated on all samples need not be so within a
    group: it knows only the predicted class, and the groups are by the true one.

    Args:
        class_counts: Number of training labels of each class, [K].

    Raises:
        InputError: No sample is of such a class.
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    return ece(*of_group(probabilities, labels, class_counts, group), bins=bins)
