"""ADASYN on the features of a network."""

from __future__ import annotations

from trainables.registry import register
from trainables.samplers.adasyn import Adasyn
from trainables.samplers.on_features import OnFeatures


@register("feature_adasyn", spec={"on_features": True})
class FeatureAdasyn(OnFeatures, Adasyn):
    """Each class filled up to about the size of the largest by features, more where others are near.

    `adasyn` on the inputs of the last layer, which alone is trained on them: see `OnFeatures`. It fails where
    no feature of a rarer class has neighbours of another class, as a good network may bring about.

    Args:
        neighbours: As for `adasyn`.
        features_from: Share of the epochs before the last layer is trained alone. Before the first milestone
            of a schedule it has a learning rate with which it can still change.
    """

    name = "feature_adasyn"

    def __init__(self, samples: int, neighbours: int = 5, features_from: float = 0.5):
        super().__init__(samples, neighbours, features_from)
