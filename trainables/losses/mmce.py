"""MMCE (maximum mean calibration error): cross-entropy plus a kernel statistic of miscalibration."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register

KERNEL_WIDTH = 0.4
PAIRS_OFFSET = 1e-5
ROOT_OFFSET = 1e-10


@register("mmce")
class MMCE(Loss):
    """Mean cross-entropy plus `weight` times the weighted MMCE of the batch.

    Kumar et al., 'Trainable Calibration Measures for Neural Networks from Kernel Mean Embeddings' (ICML
    2018), in the weighted form released by them and by Mukhoti et al. 2020. As there, each mean over pairs is
    divided by the number of pairs a second time, so the statistic depends on the batch size, and grows when
    few samples are wrong. The published numbers require this.

    The reduction 'mean' is the formula itself, 'sum' is N times it.

    Args:
        weight: lambda, the weight of the statistic. Published: 2 for images, 8 for documents.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, weight: float = 2.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not weight >= 0:
            raise ConfigurationError(f"mmce: weight must not be negative, but is {weight}.")
        self.weight = weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        mean = functional.cross_entropy(logits, labels) + self.weight * weighted_mmce(logits, labels)
        return mean * len(labels) if self.reduction == "sum" else mean


def weighted_mmce(logits: Tensor, labels: Tensor) -> Tensor:
    """The weighted statistic of a batch, a scalar; 0 if all predictions are right, or all are wrong."""
    confidences, predictions = torch.softmax(logits, dim=1).max(dim=1)
    right = (predictions == labels).to(confidences.dtype)
    wrong = 1 - right
    kernel = torch.exp(-(confidences[:, None] - confidences[None, :]).abs() / KERNEL_WIDTH)
    doubt, trust = right * (1 - confidences), wrong * confidences

    def mean_over_pairs(first: Tensor, second: Tensor, pairs: Tensor) -> Tensor:
        mean = (first @ kernel @ second) / pairs.clamp_min(1)
        return mean / (pairs + PAIRS_OFFSET)

    number_right, number_wrong = right.sum(), wrong.sum()
    square = (
        mean_over_pairs(doubt, doubt, number_right * number_right)
        + mean_over_pairs(trust, trust, number_wrong * number_wrong)
        - 2 * mean_over_pairs(doubt, trust, number_right * number_wrong)
    )
    # The offsets can make a vanishing square negative, and then the root and its gradient would be NaN.
    root = torch.sqrt(square.clamp_min(0) + ROOT_OFFSET)
    return torch.where(number_right * number_wrong > 0, root, torch.zeros_like(root))
