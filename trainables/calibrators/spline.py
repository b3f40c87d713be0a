"""Spline recalibration."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "spline",
    spec={
        "title": "spline recalibration",
        "symbol": "SP",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class Spline(OfProbmetrics):
    """Maps each class's probability by a spline fitted to its cumulative frequency, then normalises each row.

    Gupta et al., 'Calibration of Neural Networks using Splines' (ICLR 2021), one class against the rest.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MulticlassOneVsRestCalibrator(calibrators.CDFSplineCalibrator())
