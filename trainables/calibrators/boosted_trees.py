"""Gradient-boosted trees."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from threadpoolctl import threadpool_limits
from torch import Tensor

from trainables.calibrators.of_probmetrics import OfClassesThere
from trainables.registry import register


@register(
    "boosted_trees",
    spec={
        "title": "gradient-boosted trees",
        "symbol": "GBT",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class BoostedTrees(OfClassesThere):
    """LightGBM's classifier with trees of depth 3 on log p; the mean of five, each stopped on another fold.

    It uses one thread: several would compete with those of other trials, and change the last digits.

    Ke et al., 'LightGBM: A Highly Efficient Gradient Boosting Decision Tree' (NeurIPS 2017).
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.LightGBMCalibrator()

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        with threadpool_limits(1, "openmp"):
            super().fit(logits, labels)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        with threadpool_limits(1, "openmp"):
            return super().log_probabilities(logits)
