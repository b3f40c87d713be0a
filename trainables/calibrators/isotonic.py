"""Isotonic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.calibrators.base import Calibrator
from trainables.registry import register


@register("isotonic", spec={"title": "isotonic regression", "symbol": "IR", "keeps_order": False})
class Isotonic(Calibrator):
    """Maps each class's probability by an increasing step function, then normalises each row.

    Zadrozny and Elkan, 'Transforming Classifier Scores into Accurate Multiclass Probability Estimates'
    (KDD 2002), one class against the rest. A row of zeros becomes uniform.
    """

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        # Imported here because it loads slowly, in each process of a trial, and few trials need it.
        from sklearn.isotonic import IsotonicRegression

        probabilities = logits.double().softmax(dim=1).cpu().numpy()
        truth = labels.cpu().numpy()
        self.steps: list[Any] = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(column, truth == number)
            for number, column in enumerate(probabilities.T)
        ]

    def log_probabilities(self, logits: Tensor) -> Tensor:
        probabilities = logits.double().softmax(dim=1).cpu().numpy()
        columns = [step.predict(column) for step, column in zip(self.steps, probabilities.T, strict=True)]
        found = np.stack(columns, axis=1)
        found[found.sum(axis=1) == 0] = 1
        return torch.from_numpy(found / found.sum(axis=1, keepdims=True)).log().to(logits.device)
