"""Focal-GRA: cross-entropy whose gradient is scaled by the weight of focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import true_log_probability
from trainables.registry import register


@register("focal_gra", spec={"stop_gradient": True})
class FocalGRA(Loss):
    """-w log p_y with the weight w = (1 - p_y)^gamma, through which no gradient flows.

    Lin et al., 'Uncertainty Weighted Gradients for Model Calibration' (CVPR 2025). The stop-gradient is the
    method: the gradient is that of cross-entropy times w. Its value is that of focal loss.

    Args:
        gamma: Strength of the discount on confident samples; 0 is cross-entropy. The default is ours: the
            paper chose gamma for each data set and network.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"focal_gra: gamma must not be negative, but is {gamma}.")
        self.gamma = gamma

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = true_log_probability(logits, labels)
        return -(-torch.expm1(log_probability.detach())).pow(self.gamma) * log_probability
