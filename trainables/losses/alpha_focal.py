"""Alpha-balanced focal loss: focal loss with weights of classes."""

from __future__ import annotations

from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses import class_weights
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, true_log_probability
from trainables.registry import register


@register("alpha_focal")
class AlphaFocal(Loss):
    """-alpha_y (1 - p_y)^gamma log p_y, with alpha_k proportional to n_k^-power.

    Lin et al., 'Focal Loss for Dense Object Detection' (ICCV 2017), equation 5, for K classes by a softmax;
    section 3.1 sets alpha by inverse class frequency. The mean of alpha over the training samples is 1, as in
    `weighted_cross_entropy`.

    Args:
        class_counts: Training labels of each class, n_k, int64 [K].
        gamma: Strength of the discount on confident samples; 0 is weighted cross-entropy.
        power: 1 gives all classes the same influence, 0 is focal loss.
        reduction: 'sum' or 'mean' over the batch; the mean divides by samples, not by their weights.
    """

    alpha: Tensor

    def __init__(
        self, class_counts: Tensor, gamma: float = 2.0, power: float = 1.0, reduction: Reduction = "sum"
    ):
        super().__init__(reduction)
        if not (gamma >= 0 and power >= 0):
            raise ConfigurationError(
                f"alpha_focal: gamma and power must not be negative, but are {gamma} and {power}."
            )
        self.gamma = gamma
        self.register_buffer("alpha", class_weights.of_frequencies(class_counts, power))

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = true_log_probability(logits, labels)
        return self.alpha.to(logits.dtype)[labels] * focal_loss(log_probability, self.gamma)
