"""Samples sorted by class, for samplers that draw within classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError


class ByClass:
    """The samples of each class, one class after another.

    Args:
        labels: Of the training part, int64 [N].
        sampler: For messages.

    Attributes:
        positions: Positions in the training part, sorted by class, int64 [N].
        counts: Samples of each class that has any, int64 [K].
        starts: Where each class starts in `positions`, int64 [K].

    Raises:
        ConfigurationError: Samples have several labels each, or none that is a class.
    """

    def __init__(self, labels: Tensor, sampler: str):
        self.positions = checked(labels, sampler).argsort(stable=True)
        _, self.counts = torch.unique(labels, return_counts=True)
        self.starts = self.counts.cumsum(0) - self.counts


def checked(labels: Tensor, sampler: str) -> Tensor:
    """The labels, if they are classes.

    Raises:
        ConfigurationError: They are not.
    """
    if labels.dim() != 1 or labels.is_floating_point():
        raise ConfigurationError(f"{sampler}: samples must have one class each.")
    return labels
