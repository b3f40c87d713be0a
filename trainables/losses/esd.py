"""ESD: cross-entropy plus an unbiased estimate of a calibration error without bins."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("esd")
class ESD(Loss):
    """Mean cross-entropy + weight * mean_i (m_i^2 - v_i / (N - 1)).

    m_i and v_i are mean and (unbiased) variance, over the N - 1 other samples j of the batch, of accuracy
    minus confidence, a_j - c_j, where c_j <= c_i, and 0 elsewhere. Yoon et al., 'ESD: Expected Squared
    Difference as a Tuning-Free Trainable Calibration Measure' (ICLR 2023). The estimate is
    unbiased, and so it may be negative. A batch of fewer than three samples has none, and gets 0. The paper
    draws the samples of the two terms from separate parts of the training set; here both have the batch.

    The reduction 'mean' is the formula itself, 'sum' is N times it.

    Args:
        weight: lambda. The paper chose it for each data set and network. The default is that of the released
            command, for a ResNet-18 on 100 classes of ImageNet.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, weight: float = 4.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not weight >= 0:
            raise ConfigurationError(f"esd: weight must not be negative, but is {weight}.")
        self.weight = weight

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        mean = functional.cross_entropy(logits, labels) + self.weight * squared_difference(logits, labels)
        return mean * len(labels) if self.reduction == "sum" else mean


def squared_difference(logits: Tensor, labels: Tensor) -> Tensor:
    """The ESD of a batch, a scalar; 0 for fewer than three samples."""
    confidences, predictions = torch.softmax(logits, dim=1).max(dim=1)
    excess = (predictions == labels).to(confidences.dtype) - confidences
    rank = log_odds(logits)
    below = (rank[None, :] <= rank[:, None]).to(excess.dtype).fill_diagonal_(0)
    others = len(labels) - 1
    mean = below @ excess / max(others, 1)
    variance = (below @ excess.square() - others * mean.square()) / max(others - 1, 1)
    estimate = (mean.square() - variance / max(others, 1)).mean()
    return estimate if others > 1 else 0 * estimate


@torch.no_grad()
def log_odds(logits: Tensor) -> Tensor:
    """log(c / (1 - c)) of the confidences c [N]: it orders those too that round to 1."""
    greatest, predictions = logits.max(dim=1)
    return greatest - logits.scatter(1, predictions[:, None], -torch.inf).logsumexp(dim=1)
