"""Margin-based label smoothing: a penalty on logits that lie far below the greatest one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("mbls")
class MarginLabelSmoothing(Loss):
    """Cross-entropy + weight * mean_k max(0, max z - z_k - margin), with the logits z.

    Liu et al., 'The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration' (CVPR
    2022), with the mean over the K classes, as released.

    Args:
        weight: lambda in the paper, alpha in the released code.
        margin: Distance below the greatest logit that costs nothing.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(self, weight: float = 0.1, margin: float = 10.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not (weight >= 0 and margin >= 0):
            raise ConfigurationError(
                f"mbls: weight and margin must not be negative, but are {weight} and {margin}."
            )
        self.weight = weight
        self.margin = margin

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        distances = logits.amax(dim=1, keepdim=True) - logits
        penalty = functional.relu(distances - self.margin).mean(dim=1)
        return functional.cross_entropy(logits, labels, reduction="none") + self.weight * penalty
