"""Areas under risk-coverage curves."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics.bins import same_but_for_rounding, top_label
from trainables.metrics.checks import checked_probabilities
from trainables.registry import register


@register(
    "aurc",
    spec={
        "title": "AURC",
        "meaning": "Area under the risk-coverage curve",
        "unit": "percent",
        "direction": "lower",
    },
)
def aurc(probabilities: Tensor, labels: Tensor) -> float:
    """Mean error of the most confident samples, over all coverages: how well confidence ranks errors last.

    By the trapezoidal rule over the coverages 1/N, ..., 1, as in torch-uncertainty; samples of equal
    confidence each count with their mean error. NaN for a single sample. Geifman and El-Yaniv, 'Selective
    Classification for Deep Neural Networks' (NeurIPS 2017).
    """
    wrong, coverages = _wrong(probabilities, labels)
    return _area(wrong / coverages)


@register(
    "augrc",
    spec={
        "title": "AUGRC",
        "meaning": "Area under the generalised risk-coverage curve",
        "unit": "percent",
        "direction": "lower",
    },
)
def augrc(probabilities: Tensor, labels: Tensor) -> float:
    """Like `aurc`, for the fraction of all samples that are accepted and wrong.

    Each error thus has the same weight, however few samples are accepted before it. Traub et al., 'Overcoming
    Common Flaws in the Evaluation of Selective Classification Systems' (NeurIPS 2024).
    """
    return _area(_wrong(probabilities, labels)[0])


def _wrong(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """For each k: errors among the k most confident as a fraction of all samples, and k / N; float64 [N]."""
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    ordered, order = confidences.double().sort()
    errors = 1 - correct.double()[order]
    alike = same_but_for_rounding(ordered)
    groups = torch.zeros_like(order)
    groups[1:] = (alike.diff() > 0).cumsum(dim=0)
    counts = torch.bincount(groups)
    means = torch.bincount(groups, errors) / counts
    coverages = torch.arange(1, len(errors) + 1, dtype=torch.float64, device=errors.device) / len(errors)
    return means[groups].flip(0).cumsum(dim=0) / len(errors), coverages


def _area(curve: Tensor) -> float:
    """Area under values at the coverages 1/N, ..., 1, divided by their range."""
    if len(curve) < 2:
        return float("nan")
    return float(torch.trapezoid(curve)) / (len(curve) - 1)
