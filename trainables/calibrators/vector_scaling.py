"""Vector scaling."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "vector_scaling",
    spec={
        "title": "vector scaling",
        "symbol": "VS",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class VectorScaling(OfProbmetrics):
    """softmax(a * z + b) with a factor and an offset for each class, of least negative log-likelihood.

    Guo et al., 'On Calibration of Modern Neural Networks' (ICML 2017), section 4.2.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.VectorScalingCalibrator()
