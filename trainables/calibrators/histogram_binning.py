"""Histogram binning."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "histogram_binning",
    spec={
        "title": "histogram binning",
        "symbol": "HB",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class HistogramBinning(OfProbmetrics):
    """Replaces each class's probability by the frequency of its bin of equal width, then normalises each row.

    Zadrozny and Elkan, 'Obtaining calibrated probability estimates from decision trees and naive Bayesian
    classifiers' (ICML 2001), one class against the rest.

    Args:
        bins: Number of bins for each class's probability.
    """

    def __init__(self, bins: int = 15):
        self.bins = bins

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MulticlassOneVsRestCalibrator(
            calibrators.BinaryHistogramBinningCalibrator(n_bins=self.bins)
        )
