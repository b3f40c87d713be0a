"""Brier score."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "brier",
    spec={
        "title": "Brier",
        "meaning": "Brier score",
        "unit": "percent",
        "direction": "lower",
        "at_commit": True,
    },
)
def brier(probabilities: Tensor, labels: Tensor) -> float:
    """Squared distance from the one-hot label, summed over classes, mean over samples: 0 to 2.

    Brier, 'Verification of forecasts expressed in terms of probability' (Monthly Weather Review 1950).
    """
    return float(brier_scores(*checked_probabilities(probabilities, labels)).mean())


def brier_scores(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The score of each sample, float64 [N]; expects checked tensors."""
    others = probabilities.scatter(1, labels[:, None], 0.0).square().sum(dim=1)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    return others.double() + (1 - true.double()).square()
