"""Every sample once."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.registry import register
from trainables.samplers.base import Sampler


@register("natural")
class Natural(Sampler):
    """Every sample of the training part once, in random order."""

    def __init__(self, samples: int):
        self.samples = samples

    def epoch(self, generator: torch.Generator) -> Tensor:
        return torch.randperm(self.samples, generator=generator)
