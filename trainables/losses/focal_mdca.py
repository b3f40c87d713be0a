"""FL+MDCA: focal loss plus the difference of mean probability and frequency of each class in the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, true_log_probability
from trainables.registry import register


@register("focal_mdca")
class FocalMDCA(Loss):
    """Mean focal loss + weight * mean_k |mean_i p_ik - share of class k among the labels of the batch|.

    Hebbalaguppe et al., 'A Stitch in Time Saves Nine: A Train-Time Regularizing Loss for Improved Neural
    Network Calibration' (CVPR 2022). The second term depends on the batch as a whole.

    The reduction 'mean' is the formula itself, 'sum' is N times it.

    Args:
        gamma: Of the focal loss; 0 makes it cross-entropy (the paper's NLL+MDCA).
        weight: beta, the weight of the second term. Both defaults are those of the released commands.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, gamma: float = 1.0, weight: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not (gamma >= 0 and weight >= 0):
            raise ConfigurationError(
                f"focal_mdca: gamma and weight must not be negative, but are {gamma} and {weight}."
            )
        self.gamma = gamma
        self.weight = weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        focal = focal_loss(true_log_probability(logits, labels), self.gamma).mean()
        mean = focal + self.weight * class_difference(logits, labels)
        return mean * len(labels) if self.reduction == "sum" else mean


def class_difference(logits: Tensor, labels: Tensor) -> Tensor:
    """The MDCA of a batch, a scalar: a fraction."""
    probabilities = torch.softmax(logits, dim=1)
    one_hot = torch.zeros_like(probabilities).scatter(1, labels[:, None], 1.0)
    return (probabilities - one_hot).mean(dim=0).abs().mean()
