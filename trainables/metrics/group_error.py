"""Classification error by group of classes."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from trainables.metrics.checks import checked_probabilities
from trainables.metrics.error import error
from trainables.metrics.per_class import of_group
from trainables.registry import register


@register(
    "error_many",
    group="many",
    spec={
        "title": "Error (many)",
        "meaning": "Classification error on classes with more than 100 training samples",
        "unit": "percent",
        "direction": "lower",
        "order_only": True,
        "class_counts": True,
    },
)
@register(
    "error_medium",
    group="medium",
    spec={
        "title": "Error (medium)",
        "meaning": "Classification error on classes with 20 to 100 training samples",
        "unit": "percent",
        "direction": "lower",
        "order_only": True,
        "class_counts": True,
    },
)
@register(
    "error_few",
    group="few",
    spec={
        "title": "Error (few)",
        "meaning": "Classification error on classes with fewer than 20 training samples",
        "unit": "percent",
        "direction": "lower",
        "order_only": True,
        "class_counts": True,
    },
)
def group_error(
    probabilities: Tensor,
    labels: Tensor,
    class_counts: Tensor,
    group: Literal["many", "medium", "few"],
) -> float:
    """Share of wrongly classified samples among those whose true class is in a group.

    The groups are those of Liu et al., 'Large-Scale Long-Tailed Recognition in an Open World' (CVPR 2019), by
    the number of training samples.

    Args:
        class_counts: Number of training labels of each class, [K].

    Raises:
        InputError: No sample is of such a class.
    """
    probabilities, labels = checked_probabilities(probabilities, labels)
    return error(*of_group(probabilities, labels, class_counts, group))
