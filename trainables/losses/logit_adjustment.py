"""Logit adjustment: cross-entropy of logits to which the log prior of their class is added."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("logit_adjustment")
class LogitAdjustment(Loss):
    """Cross-entropy of z_k + tau log(n_k / N), with the logits z and the class counts n.

    Menon et al., 'Long-Tail Learning via Logit Adjustment' (ICLR 2021), equation 10. The adjustment is part
    of the loss alone: the softmax of z estimates probabilities where, at tau 1, all classes are equally
    frequent.

    Args:
        class_counts: Training labels of each class, n_k, int64 [K]. An empty class counts as one sample.
        tau: Strength of the adjustment; 0 is cross-entropy.
        reduction: 'sum' or 'mean' over the batch.
    """

    adjustment: Tensor

    def __init__(self, class_counts: Tensor, tau: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not tau >= 0:
            raise ConfigurationError(f"logit_adjustment: tau must not be negative, but is {tau}.")
        counts = class_counts.double().clamp_min(1)
        self.register_buffer("adjustment", tau * (counts / counts.sum()).log())

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        adjusted = logits + self.adjustment.to(logits.dtype)
        return functional.cross_entropy(adjusted, labels, reduction="none")
