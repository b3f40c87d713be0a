"""Expected calibration error."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import equal_width_edges, top_label, weighted_gap
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.registry import register


@register(
    "ece",
    spec={
        "title": "ECE",
        "meaning": "Expected calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
        "at_commit": True,
    },
)
def ece(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error with bins (lower, upper] of equal width; empty bins have no weight.

    Naeini et al., 'Obtaining Well Calibrated Probabilities Using Bayesian Binning' (AAAI 2015); Guo et al.,
    'On Calibration of Modern Neural Networks' (ICML 2017), equation 3.
    """
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    return float(weighted_gap(confidences, correct, equal_width_edges(checked_bins(bins), correct.device)))
