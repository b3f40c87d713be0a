"""Confidence penalty: cross-entropy minus the entropy of the prediction."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("confidence_penalty")
class ConfidencePenalty(Loss):
    """-log p_y - weight * H(p), with the entropy H(p) = -sum_k p_k log p_k in nats, summed over the classes.

    Pereyra et al., 'Regularizing Neural Networks by Penalizing Confident Output Distributions' (ICLR 2017,
    workshop).

    Args:
        weight: beta. The default is the paper's for images.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, weight: float = 0.1, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not weight >= 0:
            raise ConfigurationError(f"confidence_penalty: weight must not be negative, but is {weight}.")
        self.weight = weight

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        logs = torch.log_softmax(logits, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1)
        return functional.nll_loss(logs, labels, reduction="none") - self.weight * entropy
