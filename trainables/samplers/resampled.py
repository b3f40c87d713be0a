"""Sampling that balances the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.registry import register
from trainables.samplers.base import Sampler
from trainables.samplers.by_class import checked


@register("resampled")
@register("class_balanced", power=0.0)
@register("square_root", power=0.5)
class Resampled(Sampler):
    """As many samples as the training part has, with replacement, class j in proportion to n_j^power.

    Kang et al., 'Decoupling Representation and Classifier for Long-Tailed Recognition' (ICLR 2020), section
    3, whose q is `power`: 0 draws all classes equally often, 1 all samples. n_j is the number of training
    samples of class j; empty classes are not drawn.

    Args:
        power: In [0, 1].
    """

    def __init__(self, power: float, *, labels: Tensor):
        if not 0 <= power <= 1:
            raise ConfigurationError(f"resampled: power must be in [0, 1], not {power}.")
        counts = torch.bincount(checked(labels, "resampled")).double()
        # The samples of a class share its probability.
        self.weights = counts.clamp_min(1).pow(power - 1)[labels]

    def epoch(self, generator: torch.Generator) -> Tensor:
        return torch.multinomial(self.weights, len(self.weights), replacement=True, generator=generator)
