"""ACLS: squared penalties on a great greatest logit and on logits far below it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register


@register("acls", spec={"softmax": False, "stop_gradient": True})
class ACLS(Loss):
    """Cross-entropy + weight * mean_k r_k, with a penalty r_k on each logit z_k.

    r_k = upper * max(0, z_k - margin)^2 for the predicted class, and lower * max(0, max z - z_k - margin)^2
    for the others, where no gradient flows through max z. Park et al., 'ACLS: Adaptive and Conditional Label
    Smoothing for Network Calibration' (ICCV 2023). The first penalty depends on more than the
    probabilities: a constant added to all logits changes it.

    Args:
        weight: Of both penalties.
        upper: lambda_1, the weight of the penalty on the predicted class.
        lower: lambda_2, that of the others.
        margin: M, a logit or distance of logits that costs nothing.
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(
        self,
        weight: float = 0.1,
        upper: float = 1.0,
        lower: float = 0.1,
        margin: float = 10.0,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if not min(weight, upper, lower, margin) >= 0:
            raise ConfigurationError("acls: weight, upper, lower and margin must not be negative.")
        self.weight = weight
        self.upper = upper
        self.lower = lower
        self.margin = margin

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        greatest, predictions = logits.max(dim=1)
        height = functional.relu(greatest - self.margin).square()
        # The distance of the predicted class is 0, and so is its share of the sum.
        depths = functional.relu(greatest.detach()[:, None] - logits - self.margin).square()
        others = depths.scatter(1, predictions[:, None], 0.0).sum(dim=1)
        penalty = (self.upper * height + self.lower * others) / logits.shape[1]
        return functional.cross_entropy(logits, labels, reduction="none") + self.weight * penalty
