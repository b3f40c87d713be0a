"""Expected calibration error in the L2 norm."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics import BINS
from trainables.metrics.bins import bin_of, equal_width_edges, top_label, totals
from trainables.metrics.checks import checked_bins, checked_probabilities
from trainables.registry import register


@register(
    "ece_l2",
    spec={
        "title": "ECE-L2",
        "meaning": "Root mean square calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
    },
)
def ece_l2(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Root of the mean over samples of the squared gap of their bin, with the bins of `ece`.

    Kumar et al., 'Verified Uncertainty Calibration' (NeurIPS 2019), definition 2.2 with p = 2, by the plug-in
    estimator of section 4.
    """
    return float(squared_gaps(*_binned(probabilities, labels, bins)).sqrt())


@register(
    "ece_l2_debiased",
    spec={
        "title": "ECE-L2 debiased",
        "meaning": "Debiased root mean square calibration error",
        "unit": "percent",
        "direction": "lower",
        "bins": True,
    },
)
def ece_l2_debiased(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """`ece_l2` without the bias from the randomness of labels; 0 if the estimate is negative.

    Kumar et al. 2019, section 4: the estimated variance of each bin's accuracy is subtracted from its squared
    gap. A bin of one sample has no such estimate and no weight, as in their library.
    """
    return float(squared_gaps(*_binned(probabilities, labels, bins), debiased=True).sqrt())


def _binned(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    confidences, correct = top_label(*checked_probabilities(probabilities, labels))
    chosen = bin_of(confidences, equal_width_edges(checked_bins(bins), correct.device))
    values = (confidences, correct.double())
    counts = totals(chosen, values[1].new_ones(len(correct)), bins)
    return counts, totals(chosen, values[0], bins), totals(chosen, values[1], bins)


def squared_gaps(counts: Tensor, sums: Tensor, hits: Tensor, debiased: bool = False) -> Tensor:
    """Mean over samples of the squared gap between probability and frequency in their bin, at least 0.

    Args:
        counts: Samples in each bin, [..., bins].
        sums: Sum of their probabilities.
        hits: Number of samples for which the predicted event occurred.
        debiased: Whether to subtract the variance of each frequency.
    """
    filled = counts.clamp_min(1)
    frequencies = hits / filled
    gaps = (sums / filled - frequencies).square()
    if debiased:
        gaps = gaps - frequencies * (1 - frequencies) / (counts - 1).clamp_min(1)
        gaps = gaps * (counts > 1)
    return ((gaps * counts).sum(dim=-1) / counts.sum(dim=-1)).clamp_min(0)
