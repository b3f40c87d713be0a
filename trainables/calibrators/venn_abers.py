"""Venn-Abers prediction."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register


@register(
    "venn_abers",
    spec={
        "title": "Venn-Abers prediction",
        "symbol": "VA",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class VennAbers(OfProbmetrics):
    """Maps each class's probability by two isotonic regressions, then normalises each row.

    Vovk et al., 'Large-scale probabilistic predictors with and without guarantees of validity' (NeurIPS
    2015), the inductive predictor and its single probability of least log loss, one class against the rest.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.MulticlassOneVsRestCalibrator(calibrators.BinaryVennAbersCalibrator())
