"""SMOTE: synthetic samples between neighbours of the same class."""

from __future__ import annotations

from typing import Any

from trainables.registry import register
from trainables.samplers.synthetic import Synthetic


@register("smote")
class Smote(Synthetic):
    """Each class filled up to the size of the largest by points between its samples and their neighbours.

    Chawla et al., 'SMOTE: Synthetic Minority Over-sampling Technique' (JAIR 2002), by imbalanced-learn.

    Args:
        neighbours: Nearest samples of the same class, of which each new sample takes one.
    """

    name = "smote"

    def __init__(self, samples: int, neighbours: int = 5):
        super().__init__(samples, neighbours)

    def resampler(self, seed: int) -> Any:
        from imblearn.over_sampling import SMOTE

        return SMOTE(k_neighbors=self.neighbours, random_state=seed)
