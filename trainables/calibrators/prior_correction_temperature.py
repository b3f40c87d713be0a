"""Prior correction, then temperature scaling."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.calibrators.grid import TEMPERATURES
from trainables.calibrators.prior_correction import PriorCorrection
from trainables.calibrators.temperature import best, weighted_nll
from trainables.registry import register


@register(
    "prior_correction_temperature",
    spec={
        "title": "prior correction, then temperature scaling by NLL",
        "symbol": "PT",
        "keeps_order": False,
        "class_counts": True,
    },
)
class PriorCorrectedTemperature(PriorCorrection):
    """The softmax of (z_k - log(p_k / q_k)) / T, with T from the grid.

    As in `prior_correction`. T minimises the negative log-likelihood of validation samples that are weighted
    by q_k / v_k, with the shares v of the classes there: a long-tailed validation part would otherwise choose
    the temperature of frequent classes. Its few samples of rare classes weigh much, so that T varies more
    than from a balanced part. Classes without validation samples do not count.

    Args:
        class_counts: Training labels of each class, int64 [K]. An empty class counts as one sample.
        target: Priors of use q, positive, of any sum; empty for equal ones.
    """

    def __init__(self, class_counts: Tensor, target: tuple[float, ...] = ()):
        super().__init__(class_counts, target)
        self.temperature = 1.0

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        counts = torch.bincount(labels, minlength=logits.shape[1]).double()
        weights = (self.target / counts.clamp_min(1))[labels]
        curve = weighted_nll(logits.double() + self.shift, labels, weights / weights.sum())
        self.temperature = TEMPERATURES[int(best(curve))]

    def log_probabilities(self, logits: Tensor) -> Tensor:
        return (super().log_probabilities(logits) / self.temperature).log_softmax(dim=1)
