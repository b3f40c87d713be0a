"""SMOTE on the features of a network."""

from __future__ import annotations

from trainables.registry import register
from trainables.samplers.on_features import OnFeatures
from trainables.samplers.smote import Smote


@register("feature_smote", spec={"on_features": True})
class FeatureSmote(OnFeatures, Smote):
    """Each class filled up to the size of the largest by points between features and their neighbours.

    `smote` on the inputs of the last layer, which alone is trained on them: see `OnFeatures`.

    Args:
        neighbours: As for `smote`.
        features_from: Share of the epochs before the last layer is trained alone. Before the first milestone
            of a schedule it has a learning rate with which it can still change.
    """

    name = "feature_smote"

    def __init__(self, samples: int, neighbours: int = 5, features_from: float = 0.5):
        super().__init__(samples, neighbours, features_from)
