"""Focal loss with a gamma that depends on the epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, true_log_probability
from trainables.registry import register


@register("flsc", spec={"example": {"gammas": (5.0, 3.0, 1.0)}})
@register("flsc_531", gammas=(5.0, 3.0, 1.0))
@register("flsc_532", gammas=(5.0, 3.0, 2.0))
class ScheduledFocal(Loss):
    """Focal loss with the first gamma, then the second, then the third.

    Mukhoti et al. 2020, section 4: FLSc.

    Args:
        gammas: The three values.
        steps: Epochs (from 0) at which the second and the third gamma start, and the number of epochs for
            which they are meant. For another number of epochs they scale in proportion, rounded down: for 50
            epochs to 14 and 35. Published: 100 and 250 of 350. Released: 30 and 70 of 100 on Tiny-ImageNet, 3
            and 7 of 25 on SST.
        reduction: 'sum' or 'mean' over the batch.
    """

    gamma: Tensor

    def __init__(
        self,
        gammas: tuple[float, float, float],
        steps: tuple[int, int, int] = (100, 250, 350),
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if min(gammas) < 0:
            raise ConfigurationError(f"flsc: gammas must not be negative, but are {list(gammas)}.")
        if not 0 < steps[0] <= steps[1] <= steps[2]:
            raise ConfigurationError(
                f"flsc: steps must be [epoch, epoch, number of epochs], ascending, not {list(steps)}."
            )
        self.gammas = gammas
        self.steps = steps
        self.register_buffer("gamma", torch.tensor(gammas[0], dtype=torch.float64))

    def on_epoch_start(self, epoch: int, epochs: int) -> None:
        *changes, planned = self.steps
        self.gamma.fill_(self.gammas[sum(epoch >= epochs * change // planned for change in changes)])

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return focal_loss(true_log_probability(logits, labels), self.gamma.to(logits.dtype))
