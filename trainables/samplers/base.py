"""Base class of all samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trainables.datasets.base import Split


class Sampler(ABC):
    """Chooses the samples of each epoch, and their order.

    A sampler has no state: the samples of an epoch depend only on its generator and number, so that a resumed
    trial continues with the same ones.
    """

    def training_part(self, part: Split, generator: torch.Generator) -> Split:
        """The samples to draw from, of which `epoch` gives positions: for samplers that make new ones.

        Called once, before the first epoch, also of a resumed trial.

        Args:
            part: The training part. It must stay as it is.
            generator: On the CPU, seeded from data set and seed.
        """
        return part

    def first_epoch_on_features(self, epochs: int) -> int | None:
        """The first epoch (from 0) of `epochs` in which the last layer alone is trained, on features.

        None, the default: the whole network is trained in all epochs.
        """
        return None

    def features(self, part: Split, generator: torch.Generator) -> Split:
        """The samples to draw from when the last layer alone is trained.

        Called once, before the first such epoch; again when one of a later epoch is resumed.

        Args:
            part: The training part with the features of each sample, the inputs of the last layer [N, D],
                as its inputs.
            generator: As for `training_part`.
        """
        return part

    def on_epoch_start(self, epoch: int, epochs: int) -> None:  # noqa: B027 - optional
        """Called before the samples of epoch `epoch` (from 0) of `epochs` are drawn: for schedules."""

    @abstractmethod
    def epoch(self, generator: torch.Generator) -> Tensor:
        """Positions in the result of `training_part`, int64 [M] on the CPU, M > 0.

        Args:
            generator: On the CPU, seeded from data set, seed and epoch.
        """
