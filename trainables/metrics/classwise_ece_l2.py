"""Classwise expected calibration error in the L2 norm."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import equal_width_edges
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.metrics.ece_l2 import squared_gaps
from trainables.registry import register

ELEMENTS_AT_ONCE = 2**22


@register(
    "classwise_ece_l2",
    spec={
        "title": "Classwise-ECE-L2",
        "meaning": "Root mean square classwise calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
    },
)
def classwise_ece_l2(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Root of the mean over all K classes of the mean squared gap of that class's probability.

    The marginal calibration error of Kumar et al., 'Verified Uncertainty Calibration' (NeurIPS 2019),
    definition 2.3 with weight 1 / K for all classes, by the plug-in estimator. Bins (lower, upper] have equal
    width; a probability of 0 is in the first.
    """
    return float(squared_gaps(*_binned(probabilities, labels, bins)).mean().sqrt())


@register(
    "classwise_ece_l2_debiased",
    spec={
        "title": "Classwise-ECE-L2 debiased",
        "meaning": "Debiased root mean square classwise calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
    },
)
def classwise_ece_l2_debiased(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """`classwise_ece_l2` without the bias from the randomness of labels, class by class.

    Kumar et al. 2019, section 4; a negative estimate for a class counts as 0.
    """
    return float(squared_gaps(*_binned(probabilities, labels, bins), debiased=True).mean().sqrt())


def _binned(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Counts, sums of probabilities and counts of true labels in each class's bins, float64 [K, bins]."""
    probabilities, labels = checked_probabilities(probabilities, labels)
    inner = equal_width_edges(checked_bins(bins), labels.device)[1:-1]
    classes = probabilities.shape[1]
    first = torch.arange(classes, device=labels.device) * bins
    counts, sums = torch.zeros(2, classes * bins, dtype=torch.float64, device=labels.device)
    # Computing the positions of all N x K probabilities at once would double the memory.
    rows = max(1, ELEMENTS_AT_ONCE // classes)
    for start in range(0, len(probabilities), rows):
        values = probabilities[start : start + rows].double()
        chosen = (torch.bucketize(values, inner) + first).flatten()
        counts += torch.bincount(chosen, minlength=classes * bins)
        sums += torch.bincount(chosen, values.flatten(), classes * bins)
    true = probabilities.gather(1, labels[:, None]).squeeze(1).double()
    hits = torch.bincount(first[labels] + torch.bucketize(true, inner), minlength=classes * bins).double()
    return counts.view(classes, bins), sums.view(classes, bins), hits.view(classes, bins)
