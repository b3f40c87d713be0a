"""Top-k accuracy."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import InputError
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "top_1_accuracy",
    k=1,
    spec={
        "title": "Top-1",
        "meaning": "Top-1 accuracy",
        "unit": "percent",
        "direction": "higher",
        "order_only": True,
        "at_commit": True,
    },
)
@register(
    "top_5_accuracy",
    k=5,
    spec={
        "title": "Top-5",
        "meaning": "Top-5 accuracy",
        "unit": "percent",
        "direction": "higher",
        "order_only": True,
        "at_commit": True,
        "same_up_to": 5,
    },
)
def top_k_accuracy(probabilities: Tensor, labels: Tensor, k: int = 5) -> float:
    """Share of samples whose true class is among the k most probable; 1 if there are at most k classes.

    Of equally probable classes the first ranks higher, so that k = 1 gives 1 - `error`.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k must be a whole number of at least 1, not {k!r}.")
    probabilities, labels = checked_probabilities(probabilities, labels)
    return float((true_ranks(probabilities, labels) < k).double().mean())


def true_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Rank of the true class in falling order of the scores [N, K], from 0, int64 [N]."""
    true = scores.gather(1, labels[:, None])
    earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
    return ((scores > true) | ((scores == true) & earlier)).sum(dim=1)
