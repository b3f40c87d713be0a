"""Balanced softmax: cross-entropy of a softmax in which each class counts as often as it was seen."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("balanced_softmax")
class BalancedSoftmax(Loss):
    """-log(n_y exp z_y / sum_k n_k exp z_k), with the logits z and the class counts n.

    Ren et al., 'Balanced Meta-Softmax for Long-Tailed Visual Recognition' (NeurIPS 2020). The value is that
    of `logit_adjustment` with tau 1. The softmax of z estimates probabilities where all classes are equally
    frequent.

    Args:
        class_counts: Training labels of each class, int64 [K]. An empty class counts as one sample.
        reduction: 'sum' or 'mean' over the batch.
    """

    log_counts: Tensor

    def __init__(self, class_counts: Tensor, reduction: Reduction = "sum"):
        super().__init__(reduction)
        self.register_buffer("log_counts", class_counts.double().clamp_min(1).log())

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        shifted = logits + self.log_counts.to(logits.dtype)
        return functional.cross_entropy(shifted, labels, reduction="none")
