"""ADASYN: synthetic samples, more of them where other classes are near."""

from __future__ import annotations

from typing import Any

from trainables.registry import register
from trainables.samplers.synthetic import Synthetic


@register("adasyn")
class Adasyn(Synthetic):
    """Each class filled up to about the size of the largest, the more the more others are near.

    He et al., 'ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning' (IJCNN 2008), by
    imbalanced-learn. It fails where no sample of a rarer class has neighbours of another class.

    Args:
        neighbours: Nearest samples that tell how near others are, and of the same class, of which each new
            sample takes one.
    """

    name = "adasyn"

    def __init__(self, samples: int, neighbours: int = 5):
        super().__init__(samples, neighbours)

    def resampler(self, seed: int) -> Any:
        from imblearn.over_sampling import ADASYN

        return ADASYN(n_neighbors=self.neighbours, random_state=seed)
