"""What there is of an epoch that is not done: enough to go on with it, on another machine if need be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.tasks.base import Measures


@dataclass
class EpochUnderWay:
    """An epoch of which some batches are trained.

    Attributes:
        learning_rate: Of the whole epoch.
        measured: The task's measures of the batches so far.
        augmentation: Draws the augmentations of its batches, one after the other.
        loss_sum: Of the loss per sample, float64, on the device.
        norm_sum: Of the gradient norms before clipping, likewise.
        batches: How many are trained.
    """

    learning_rate: float
    augmentation: torch.Generator
    measured: Measures
    loss_sum: Tensor
    norm_sum: Tensor
    batches: int = 0

    def state(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "augmentation": self.augmentation.get_state(),
            "measured": self.measured.sums,
            "loss_sum": self.loss_sum,
            "norm_sum": self.norm_sum,
            "batches": self.batches,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: torch.device, measured: Measures) -> EpochUnderWay:
        """The epoch of a state.

        Args:
            measured: Measures without a sample, to take in those of the state.
        """
        augmentation = torch.Generator(device)
        augmentation.set_state(state["augmentation"])
        measured.sums = state["measured"].to(device)
        return cls(
            state["learning_rate"],
            augmentation,
            measured,
            state["loss_sum"].to(device),
            state["norm_sum"].to(device),
            state["batches"],
        )
