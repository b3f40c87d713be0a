"""Class-balanced losses: weights of classes by their effective numbers of samples."""

from __future__ import annotations

from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses import class_weights
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, true_log_probability
from trainables.registry import register


@register("class_balanced_focal")
@register("class_balanced_cross_entropy", gamma=0.0)
class ClassBalanced(Loss):
    """-w_y (1 - p_y)^gamma log p_y, with w_k proportional to (1 - beta) / (1 - beta^n_k) and sum K.

    Cui et al., 'Class-Balanced Loss Based on Effective Number of Samples' (CVPR 2019), section 4. p is the
    softmax. The paper computes its focal loss from a sigmoid for each class; that form is
    `class_balanced_sigmoid_focal`.

    Args:
        class_counts: Training labels of each class, n_k, int64 [K]. Empty classes count neither in K nor in
            the sum.
        gamma: Strength of the discount on confident samples; 0 is cross-entropy. The paper has 0.5, 1 and 2.
        beta: 0 gives equal weights; towards 1 they become proportional to 1 / n_k.
        reduction: 'sum' or 'mean' over the batch; the mean divides by samples, not by their weights.
    """

    name = "class_balanced_focal"
    """For messages."""

    weights: Tensor

    def __init__(
        self, class_counts: Tensor, gamma: float = 2.0, beta: float = 0.9999, reduction: Reduction = "sum"
    ):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"{self.name}: gamma must not be negative, but is {gamma}.")
        self.gamma = gamma
        weights = class_weights.of_effective_numbers(class_counts, beta, self.name)
        self.register_buffer("weights", class_weights.mean_over_classes(weights, class_counts))

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = true_log_probability(logits, labels)
        return self.weights.to(logits.dtype)[labels] * focal_loss(log_probability, self.gamma)
