"""Base class of all samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Sampler(ABC):
    """Chooses the samples of each epoch, and their order.

    A sampler has no state: the samples of an epoch depend only on its generator and number, so that a resumed
    trial continues with the same ones.
    """

    def on_epoch_start(self, epoch: int, epochs: int) -> None:  # noqa: B027 - optional
        """Called before the samples of epoch `epoch` (from 0) of `epochs` are drawn: for schedules."""

    @abstractmethod
    def epoch(self, generator: torch.Generator) -> Tensor:
        """Positions in the training part, int64 [M] on the CPU, M > 0.

        Args:
            generator: On the CPU, seeded from data set, seed and epoch.
        """
