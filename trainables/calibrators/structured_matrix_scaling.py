"""Matrix scaling with a penalty."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "structured_matrix_scaling",
    spec={
        "title": "structured matrix scaling",
        "symbol": "SMS",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class StructuredMatrixScaling(OfProbmetrics):
    """Matrix scaling after temperature scaling, with ridge penalties that shrink with the number of samples.

    Berta et al., 'Structured Matrix Scaling for Multi-Class Calibration' (2025).
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.SMSCalibrator()
