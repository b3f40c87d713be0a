"""The state of an unfinished epoch, complete enough to resume it on another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.tasks.base import Measures

DECADES, BINS_PER_DECADE = (-6, 1), 4
GRADIENT_EDGES = torch.logspace(
    *DECADES, (DECADES[1] - DECADES[0]) * BINS_PER_DECADE + 1, dtype=torch.float64
)
"""Edges of the bins of gradient norms, 1e-6 to 10; one more bin lies below and one above."""
GRADIENT_BINS = len(GRADIENT_EDGES) + 1


@dataclass
class EpochUnderWay:
    """A partly trained epoch.

    Attributes:
        measured: The task's measures of the batches so far.
        augmentation: Generator of the augmentations, used batch after batch.
        loss_sum: Sum of the loss over samples, float64, on the device.
        norm_sum: Sum of the gradient norms before clipping, float64, on the device.
        gradients: Number of samples by the norm of the gradient with respect to their outputs, float64
            [`GRADIENT_BINS`], on the device.
        batches: Number of trained batches.
    """

    augmentation: torch.Generator
    measured: Measures
    loss_sum: Tensor
    norm_sum: Tensor
    gradients: Tensor
    batches: int = 0

    def __post_init__(self) -> None:
        # Once: copying them to the device with each batch would wait for it.
        self._edges = GRADIENT_EDGES.to(self.gradients.device)

    @torch.no_grad()
    def add_gradients(self, gradients: Tensor) -> None:
        """Counts the samples of a batch by the norms of their gradients, [M, ...]."""
        norms = gradients.reshape(len(gradients), -1).norm(dim=1).double()
        places = torch.searchsorted(self._edges, norms, right=True)
        self.gradients.index_add_(0, places, torch.ones_like(norms))

    def state(self) -> dict[str, Any]:
        return {
            "augmentation": self.augmentation.get_state(),
            "measured": self.measured.sums,
            "loss_sum": self.loss_sum,
            "norm_sum": self.norm_sum,
            "gradients": self.gradients,
            "batches": self.batches,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: torch.device, measured: Measures) -> EpochUnderWay:
        """Restores an epoch.

        Args:
            measured: Empty measures, which take over the sums of the state.

        Raises:
            ValueError: The state is of a version with other measures.
        """
        if state["measured"].shape != measured.sums.shape:
            raise ValueError(f"its measures are {[*state['measured'].shape]}, not {[*measured.sums.shape]}")
        augmentation = torch.Generator(device)
        augmentation.set_state(state["augmentation"])
        measured.sums = state["measured"].to(device)
        return cls(
            augmentation,
            measured,
            state["loss_sum"].to(device),
            state["norm_sum"].to(device),
            state["gradients"].to(device),
            state["batches"],
        )
