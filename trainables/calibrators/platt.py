"""Platt scaling."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfClassesThere
from trainables.registry import register


@register(
    "platt",
    spec={
        "title": "Platt scaling",
        "symbol": "PS",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class Platt(OfClassesThere):
    """Logistic regression of each class on its logit log(p / (1 - p)), then normalises each row.

    Platt, 'Probabilistic Outputs for Support Vector Machines' (1999), one class against the rest, without
    his prior on the labels.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MulticlassOneVsRestCalibrator(calibrators.BinaryLogisticCalibrator("affine"))
