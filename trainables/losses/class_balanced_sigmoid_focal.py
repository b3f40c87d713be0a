"""Class-balanced focal loss as its paper has it: a sigmoid for each class against all others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.losses.base import Reduction
from trainables.losses.class_balanced import ClassBalanced
from trainables.losses.sigmoid_focal import decisions, set_prior
from trainables.registry import register


@register("class_balanced_sigmoid_focal", spec={"softmax": False, "sigmoids": True})
class ClassBalancedSigmoidFocal(ClassBalanced):
    """w_y sum_k -(1 - p_t)^gamma log p_t, with w as in `class_balanced_focal` and p_t in `sigmoid_focal`.

    Cui et al., 'Class-Balanced Loss Based on Effective Number of Samples' (CVPR 2019), section 4. At the
    start each sigmoid is 1 / K: the last bias is -log(K - 1). The logits that are stored are log s(z_k).

    Args:
        class_counts: Training labels of each class, int64 [K]. Empty classes count neither in K nor in the
            sum of the weights.
        gamma: Strength of the discount on confident decisions. The paper has 0.5, 1 and 2.
        beta: 0 gives equal weights; towards 1 they become proportional to 1 / n_k.
        reduction: 'sum' or 'mean' over the batch; the mean divides by samples, not by their weights.
    """

    name = "class_balanced_sigmoid_focal"

    def __init__(
        self, class_counts: Tensor, gamma: float = 2.0, beta: float = 0.9999, reduction: Reduction = "sum"
    ):
        # Parameters are read from the source of the class itself.
        super().__init__(class_counts, gamma, beta, reduction)

    def on_network(self, network: nn.Module) -> None:
        set_prior(network, 1 / max(2, len(self.weights)), self.name)

    def logits(self, outputs: Tensor) -> Tensor:
        return functional.logsigmoid(outputs)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        true = torch.zeros_like(logits).scatter(1, labels[:, None], 1)
        losses = decisions(logits, true, self.gamma).sum(dim=1)
        return self.weights.to(logits.dtype)[labels] * losses
