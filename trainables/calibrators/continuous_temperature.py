"""Temperature scaling without a grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.registry import register

ELEMENTS_AT_ONCE = 2**16
"""Logits of a block that stays in the processor's cache."""

WIDEST = 16.0
"""Bound on the absolute logarithm of a temperature, reached if all logits are nearly equal, or far apart."""


@register(
    "temperature_nll_continuous",
    spec={"title": "temperature scaling by NLL without a grid", "symbol": "T", "keeps_order": True},
)
class ContinuousTemperature(Calibrator):
    """Temperature scaling with the temperature of the least negative log-likelihood.

    Guo et al., 'On Calibration of Modern Neural Networks' (ICML 2017), section 4.2.
    """

    def __init__(self) -> None:
        self.temperature = 1.0

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        self.temperature = nll_temperature(logits, labels)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        # Subtract the greatest logit first: dividing large logits would cost digits that their gaps need.
        gaps = logits.double()
        return ((gaps - gaps.amax(dim=1, keepdim=True)) / self.temperature).log_softmax(dim=1)


def nll_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature at which softmax(logits / T) has the least negative log-likelihood.

    It is between exp(-16) and exp(16): the least if every prediction is right, the greatest if the logits are
    worse than uninformative.

    Args:
        logits: [N, K], finite.
        labels: [N].
    """
    # Imported here because it loads slowly, in each process of a trial, and few trials need it.
    from scipy.optimize import brentq

    gaps = logits.double()
    gaps = gaps - gaps.amax(dim=1, keepdim=True)
    true = gaps.gather(1, labels[:, None]).mean()
    blocks = torch.split(gaps, max(1, ELEMENTS_AT_ONCE // gaps.shape[1]))

    def slope(log_inverse: float) -> float:
        """Derivative of the NLL in 1 / T. It increases with 1 / T, because the NLL is convex in it."""
        means = [(block * math.exp(log_inverse)).softmax(dim=1).mul_(block).sum() for block in blocks]
        return float(torch.stack(means).sum() / len(gaps) - true)

    low, high = -1.0, 1.0
    while slope(high) <= 0:
        if high >= WIDEST:
            return math.exp(-WIDEST)
        high *= 2
    while slope(low) >= 0:
        if low <= -WIDEST:
            return math.exp(WIDEST)
        low *= 2
    return math.exp(-float(brentq(slope, low, high, xtol=1e-10)))
