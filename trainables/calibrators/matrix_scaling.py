"""Matrix scaling."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "matrix_scaling",
    spec={
        "title": "matrix scaling",
        "symbol": "MS",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class MatrixScaling(OfProbmetrics):
    """softmax(A z + b) with a matrix [K, K] and offsets [K], of least negative log-likelihood.

    Guo et al., 'On Calibration of Modern Neural Networks' (ICML 2017), section 4.2. Without a penalty: with
    many classes and few samples it overfits.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MatrixScalingCalibrator()
