"""Beta calibration."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfClassesThere
from trainables.registry import register


@register(
    "beta",
    spec={
        "title": "beta calibration",
        "symbol": "BC",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class Beta(OfClassesThere):
    """Logistic regression of each class on log p and -log(1 - p), then normalises each row.

    Kull et al., 'Beta calibration: a well-founded and easily implemented improvement on logistic calibration
    for binary classifiers' (AISTATS 2017), equation 3 with all three parameters, one class against the rest.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MulticlassOneVsRestCalibrator(calibrators.BetacalCalibrator())
