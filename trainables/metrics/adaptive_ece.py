"""Adaptive expected calibration error."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import equal_mass_gap, top_label
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.registry import register


@register(
    "adaptive_ece",
    spec={
        "title": "AdaECE",
        "meaning": "Adaptive expected calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "at_commit": True,
    },
)
def adaptive_ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error with bins of equal mass.

    As released by Mukhoti et al. 2020, for comparison with published numbers: the bins are (lower, upper] and
    the first begins at the least confidence, so samples with that confidence are in no bin; if all
    confidences are equal, no sample is in a bin and the value is 0. Defined in Nguyen and O'Connor,
    'Posterior calibration and exploratory analysis for NLP models' (EMNLP 2015).
    """
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    return float(equal_mass_gap(confidences, correct, checked_bins(bins)))
