"""The Brier score: squared distance of the probabilities from the one-hot label."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.losses.base import Loss
from trainables.registry import register


@register("brier")
class Brier(Loss):
    """sum_k (p_k - 1[k = y])^2, summed (not averaged) over the classes.

    Brier, 'Verification of forecasts expressed in terms of probability' (Monthly Weather Review 1950).
    """

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        probabilities = torch.softmax(logits, dim=1)
        one_hot = torch.zeros_like(probabilities).scatter(1, labels[:, None], 1.0)
        return (probabilities - one_hot).square().sum(dim=1)
