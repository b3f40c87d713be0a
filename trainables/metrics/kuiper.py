"""Kuiper calibration error."""

from __future__ import annotations

from torch import Tensor

from trainables.metrics.ks import cumulative_gaps
from trainables.registry import register


@register(
    "kuiper",
    spec={
        "title": "Kuiper",
        "meaning": "Kuiper calibration error",
        "unit": "percent",
        "direction": "lower",
    },
)
def kuiper(probabilities: Tensor, labels: Tensor) -> float:
    """Largest gap between confidence and accuracy, summed over any interval of confidences.

    The range of the gaps of which `ks` is the largest. Arrieta-Ibarra et al., 'Metrics of Calibration for
    Probabilistic Predictions' (JMLR 2022), who call it ECCE-R.
    """
    gaps = cumulative_gaps(probabilities, labels)
    return float(gaps.max().clamp_min(0) - gaps.min().clamp_max(0))
