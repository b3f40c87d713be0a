"""What every sampler is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Sampler(ABC):
    """Chooses the samples of each epoch, and their order.

    A sampler has no state: an epoch's samples follow from its generator alone, so that a resumed trial goes
    on with the same ones.
    """

    @abstractmethod
    def epoch(self, generator: torch.Generator) -> Tensor:
        """Positions in the training part, int64 [M] on the CPU; at least one.

        Args:
            generator: On the CPU, seeded by data set, seed and epoch.
        """
