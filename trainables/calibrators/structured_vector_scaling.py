"""Vector scaling with a penalty."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "structured_vector_scaling",
    spec={
        "title": "structured vector scaling",
        "symbol": "SVS",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class StructuredVectorScaling(OfProbmetrics):
    """Vector scaling after temperature scaling, with ridge penalties that shrink with the number of samples.

    Berta et al., 'Structured Matrix Scaling for Multi-Class Calibration' (2025).
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.SVSCalibrator()
