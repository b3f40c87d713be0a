"""Inverse focal loss: cross-entropy with higher weights for samples with a confident, correct prediction."""

from __future__ import annotations

from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import inverse_focal_loss, true_log_probability
from trainables.registry import register


@register("inverse_focal")
class InverseFocal(Loss):
    """-(1 + p_y)^gamma log p_y: AdaFocal's loss for underconfident bins.

    Wang et al., 'Rethinking Calibration of Deep Neural Networks: Do Not Be Afraid of Overconfidence'
    (NeurIPS 2021), in the form that AdaFocal uses for negative gamma (Ghosh et al., NeurIPS 2022).

    Args:
        gamma: Strength of the preference for confident samples; 0 is cross-entropy.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"inverse_focal: gamma must not be negative, but is {gamma}.")
        self.gamma = gamma

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return inverse_focal_loss(true_log_probability(logits, labels), self.gamma)
