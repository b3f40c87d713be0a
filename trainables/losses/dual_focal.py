"""Dual focal loss: focal loss that also looks at the strongest class below the true one."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import SMALLEST_MISS
from trainables.registry import register


@register("dual_focal")
class DualFocal(Loss):
    """-(1 - p_y + p_j)^gamma log p_y, with p_j the greatest probability below p_y, or 0 if there is none.

    Tao et al., 'Dual Focal Loss for Calibration' (ICML 2023), equation 4. The gradient flows through p_j too.

    Args:
        gamma: Strength of the discount on samples with a clear lead; 0 is cross-entropy. The default is the
            authors' value for ResNet-50 on CIFAR-10 and CIFAR-100; for other networks they chose 2.3 to 6.1.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float = 5.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"dual_focal: gamma must not be negative, but is {gamma}.")
        self.gamma = gamma

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        logs = torch.log_softmax(logits, dim=1)
        true = logs.gather(1, labels[:, None])
        # All from one log_softmax: otherwise rounding could put p_y below itself.
        below = torch.where(logs < true, logs.exp(), torch.zeros_like(logs)).amax(dim=1)
        true = true.squeeze(1)
        lead = (below - torch.expm1(true)).clamp_min(SMALLEST_MISS)
        return -lead.pow(self.gamma) * true
