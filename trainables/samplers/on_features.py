"""Base class of samplers that make features of a network instead of inputs. Not a component itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from trainables.errors import ConfigurationError
from trainables.samplers.synthetic import Synthetic

if TYPE_CHECKING:
    from trainables.datasets.base import Split


class OnFeatures(Synthetic):
    """Synthetic features: first the network is trained on all samples, then its last layer on features.

    From a share of the epochs on, the layers before the last stay as they are, and an epoch has the features
    of every sample, unaugmented, and the synthetic ones, which are made once. So images and texts can have
    them too. The two stages are those of Kang et al., 'Decoupling Representation and Classifier for
    Long-Tailed Recognition' (ICLR 2020), section 4.1, whose second stage draws balanced classes instead.

    Args:
        samples: Size of the training part.
        neighbours: Samples of the same class between whose features new ones lie.
        features_from: Share of the epochs before the last layer is trained alone.
    """

    def __init__(self, samples: int, neighbours: int, features_from: float):
        super().__init__(samples, neighbours)
        if not 0 <= features_from < 1:
            raise ConfigurationError(f"{self.name}: features_from must be in [0, 1), but is {features_from}.")
        self.features_from = features_from

    def training_part(self, part: Split, generator: torch.Generator) -> Split:
        # What is missing is told now, not after half of the epochs.
        self.checked_labels(part.labels)
        self.installed_resampler(0)
        return part

    def first_epoch_on_features(self, epochs: int) -> int:
        # The product may exceed a whole number by rounding.
        return min(math.ceil(self.features_from * epochs - 1e-9), epochs - 1)

    def features(self, part: Split, generator: torch.Generator) -> Split:
        return super().training_part(part, generator)
