"""Share of confident predictions."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.bins import top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register

CONFIDENT = 0.99


@register(
    "confident_share",
    spec={
        "title": "|S99|",
        "meaning": "Share of samples at confidence above 0.99",
        "unit": "percent",
        "at_commit": True,
    },
)
def confident_share(probabilities: Tensor, labels: Tensor) -> float:
    """Share of samples with confidence above 0.99 (|S99|).

    Mukhoti et al. 2020, 'Confident and Calibrated Models'.
    """
    return float(confident(*top_label(*checked_probabilities(probabilities, labels)))[0])


def confident(confidences: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
    """The fraction of samples above `CONFIDENT` and their accuracy, scalars, from [N] and [N]."""
    chosen = (confidences > CONFIDENT).double()
    return chosen.mean(), (chosen * correct).sum() / chosen.sum()
