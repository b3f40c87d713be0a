"""Cross-entropy with smoothed labels."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("label_smoothing")
class LabelSmoothing(Loss):
    """Cross-entropy with target 1 - smoothing for the true class and smoothing / (K - 1) for every other.

    Mukhoti et al. 2020, section 5. `torch.nn.CrossEntropyLoss(label_smoothing=a)` is a different loss: it
    gives a / K to every class, including the true one.

    Args:
        smoothing: Probability moved from the true class to the others, a fraction.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, smoothing: float = 0.05, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not 0 <= smoothing < 1:
            raise ConfigurationError(f"label_smoothing: smoothing must lie in [0, 1), not {smoothing}.")
        self.smoothing = smoothing

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probabilities = torch.log_softmax(logits, dim=1)
        true = log_probabilities.gather(1, labels[:, None]).squeeze(1)
        others = log_probabilities.sum(dim=1) - true
        share = self.smoothing / max(logits.shape[1] - 1, 1)
        return -((1 - self.smoothing) * true + share * others)
