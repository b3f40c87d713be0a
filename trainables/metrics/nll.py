"""Negative log-likelihood."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "nll",
    spec={
        "title": "NLL",
        "meaning": "Negative log-likelihood",
        "unit": "nats",
        "direction": "lower",
        "at_commit": True,
    },
)
def nll(probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood in nats; infinite if a true class has probability 0."""
    probabilities, labels = checked_probabilities(probabilities, labels)
    true = probabilities.gather(1, labels[:, None]).squeeze(1)
    return float(-true.double().log().mean())
