"""Focal loss: cross-entropy with lower weights for samples with a confident, correct prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register

SMALLEST_MISS = 1e-20
"""Lower bound of 1 - p_y. At 0 a power with an exponent below 1 has infinite slope."""


@register("focal", spec={"example": {"gamma": 2.0}})
@register("focal_1", gamma=1.0)
@register("focal_2", gamma=2.0)
@register("focal_3", gamma=3.0)
class Focal(Loss):
    """-(1 - p_y)^gamma log p_y, with the gradient through both factors.

    Lin et al., 'Focal Loss for Dense Object Detection' (ICCV 2017), equation 4; for calibration Mukhoti et
    al., 'Calibrating Deep Neural Networks using Focal Loss' (NeurIPS 2020), section 3.

    Args:
        gamma: Strength of the discount on confident samples; 0 is cross-entropy.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(
                f"focal: gamma must not be negative, but is {gamma}. The loss inverse_focal covers that case."
            )
        self.gamma = gamma

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(true_log_probability(logits, labels), self.gamma)


def true_log_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """log p_y of each sample [N], finite even if p_y underflows to 0."""
    return torch.log_softmax(logits, dim=1).gather(1, labels[:, None]).squeeze(1)


def focal_loss(log_probability: Tensor, gamma: float | Tensor) -> Tensor:
    """-(1 - p)^gamma log p for log p [N] and gamma >= 0, a number or [N]; gamma gets no gradient."""
    miss = (-torch.expm1(log_probability)).clamp_min(SMALLEST_MISS)
    return -miss.pow(gamma) * log_probability


def inverse_focal_loss(log_probability: Tensor, gamma: float | Tensor) -> Tensor:
    """-(1 + p)^gamma log p for log p [N] and gamma >= 0, a number or [N]; gamma gets no gradient."""
    return -(1 + log_probability.exp()).pow(gamma) * log_probability
