"""Focal loss with a gamma that depends on each sample's true-class probability."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, true_log_probability
from trainables.registry import register

UPPER_THRESHOLD = 0.5


@register("flsd", spec={"example": {"gammas": (5.0, 3.0, 2.0)}})
@register("flsd_53", gammas=(5.0, 3.0, 3.0))
@register("flsd_532", gammas=(5.0, 3.0, 2.0))
class SampleDependentFocal(Loss):
    """Focal loss with the first gamma for p_y < threshold, the second for p_y < 0.5, and the third above.

    Mukhoti et al. 2020, section 4: FLSD. A probability equal to a threshold belongs to the upper interval. No
    gradient flows through gamma. `focal_theory.gamma_for_probability` yields the published values: about 5
    for 0.2, and 3 for 0.25.

    Args:
        gammas: The three values.
        threshold: Start of the second gamma, a fraction; 0.19 in the code released for documents.
        reduction: 'sum' or 'mean' over the batch.
    """

    gammas: Tensor
    thresholds: Tensor

    def __init__(
        self,
        gammas: tuple[float, float, float],
        threshold: float = 0.2,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if min(gammas) < 0:
            raise ConfigurationError(f"flsd: gammas must not be negative, but are {list(gammas)}.")
        if not 0 < threshold <= UPPER_THRESHOLD:
            raise ConfigurationError(
                f"flsd: threshold must lie in (0, {UPPER_THRESHOLD}], but is {threshold}."
            )
        # float64, so that a float32 probability is compared with 0.19 itself and not with float32(0.19).
        thresholds = torch.tensor([threshold, UPPER_THRESHOLD], dtype=torch.float64)
        self.register_buffer("gammas", torch.tensor(gammas, dtype=torch.float64), persistent=False)
        self.register_buffer("thresholds", thresholds, persistent=False)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = true_log_probability(logits, labels)
        return focal_loss(log_probability, self.gamma_of(log_probability.detach().exp()))

    def gamma_of(self, probability: Tensor) -> Tensor:
        """gamma [N] for true-class probabilities [N], in their dtype."""
        step = torch.bucketize(probability.double(), self.thresholds, right=True)
        return self.gammas[step].to(probability.dtype)
