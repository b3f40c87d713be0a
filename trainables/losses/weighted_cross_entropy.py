"""Cross-entropy with weights of classes."""

from __future__ import annotations

from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses import class_weights
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import true_log_probability
from trainables.registry import register


@register("weighted_cross_entropy")
@register("square_root_weighted_cross_entropy", power=0.5)
class WeightedCrossEntropy(Loss):
    """-w_y log p_y, with w_k proportional to n_k^-power and mean 1 over the training samples.

    King and Zeng, 'Logistic Regression in Rare Events Data' (Political Analysis 2001); the square root as in
    Mahajan et al., 'Exploring the Limits of Weakly Supervised Pretraining' (ECCV 2018), who resample with it.
    The mean is over samples, not classes, so that value and gradient are of the size of those of
    cross-entropy and its learning rate fits. At power 1 the weights are N / (K n_k), 'balanced' in
    scikit-learn.

    Args:
        class_counts: Training labels of each class, n_k, int64 [K].
        power: 1 gives all classes the same influence, 0 all samples.
        reduction: 'sum' or 'mean' over the batch; the mean divides by samples, not by their weights.
    """

    weights: Tensor

    def __init__(self, class_counts: Tensor, power: float = 1.0, reduction: Reduction = "sum"):
        super().__init__(reduction)
        if not power >= 0:
            raise ConfigurationError(f"weighted_cross_entropy: power must not be negative, but is {power}.")
        self.register_buffer("weights", class_weights.of_frequencies(class_counts, power))

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return -self.weights.to(logits.dtype)[labels] * true_log_probability(logits, labels)
