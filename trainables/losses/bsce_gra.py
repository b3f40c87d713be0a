"""BSCE-GRA: cross-entropy whose gradient is scaled by a generalised Brier score."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import true_log_probability
from trainables.registry import register


@register("bsce_gra", spec={"stop_gradient": True})
class BSCEGRA(Loss):
    """-w log p_y with the weight w = ||e_y - p||^gamma, through which no gradient flows.

    Lin et al., 'Uncertainty Weighted Gradients for Model Calibration' (CVPR 2025). e_y is the one-hot label.
    The stop-gradient is the method: the gradient is that of cross-entropy times w, and the value is not its
    integral.

    Args:
        gamma: Exponent of the norm; 0 is cross-entropy. The paper chose gamma and norm for each data set and
            network. The defaults are those of the released commands.
        norm: Order of the norm, at least 1. With norm 1 and gamma 1 the loss is twice `focal_gra`.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float = 4.0, norm: float = 2.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"bsce_gra: gamma must not be negative, but is {gamma}.")
        if not norm >= 1:
            raise ConfigurationError(f"bsce_gra: norm must be at least 1, but is {norm}.")
        self.gamma = gamma
        self.norm = norm

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        distance = torch.softmax(logits.detach(), dim=1).scatter_add(
            1, labels[:, None], -torch.ones_like(logits[:, :1])
        )
        weight: Tensor = torch.linalg.vector_norm(distance, ord=self.norm, dim=1).pow(self.gamma)
        return -weight * true_log_probability(logits, labels)
