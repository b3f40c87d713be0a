"""Ensemble temperature scaling."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "ensemble_temperature",
    spec={
        "title": "ensemble temperature scaling",
        "symbol": "ETS",
        "keeps_order": True,
        "requires": "calibrators",
    },
)
class EnsembleTemperature(OfProbmetrics):
    """A mixture of the probabilities at a temperature, those at temperature 1, and the uniform distribution.

    Zhang et al., 'Mix-n-Match: Ensemble and Compositional Methods for Uncertainty Calibration in Deep
    Learning' (ICML 2020). Fitted by squared error, as released.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.ETSCalibrator()
