"""Sums over the samples of each class, and groups of classes by their training samples. Not metrics."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from trainables.errors import InputError

Group = Literal["many", "medium", "few"]

MANY, FEW = 100, 20
"""Classes with more than 100 training samples are many, those with fewer than 20 few, the others medium.

Liu et al., 'Large-Scale Long-Tailed Recognition in an Open World' (CVPR 2019), section 4.1.
"""


def hits(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each class: its samples, those predicted as it, and those of both, float64 [K]."""
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(dim=1)
    counted = (labels, predicted, labels[predicted == labels])
    true, chosen, correct = (torch.bincount(each, minlength=classes).double() for each in counted)
    return true, chosen, correct


def of_group(
    probabilities: Tensor, labels: Tensor, class_counts: Tensor, group: Group
) -> tuple[Tensor, Tensor]:
    """Probabilities [n, K] and labels [n] of the samples whose true class is in a group.

    Args:
        class_counts: Number of training labels of each class, [K].

    Raises:
        InputError: There are none.
    """
    members = {
        "many": class_counts > MANY,
        "medium": (class_counts >= FEW) & (class_counts <= MANY),
        "few": class_counts < FEW,
    }[group]
    there = members[labels]
    if not bool(there.any()):
        raise InputError(f"no sample is of a class with {group} training samples.")
    return probabilities[there], labels[there]
