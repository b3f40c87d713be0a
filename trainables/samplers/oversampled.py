"""Oversampling: each class is drawn up to the size of the largest."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.registry import register
from trainables.samplers.base import Sampler
from trainables.samplers.by_class import ByClass


@register("oversampled")
class Oversampled(Sampler):
    """Every sample once, and further ones of each class, with replacement, up to the size of the largest.

    He and Garcia, 'Learning from Imbalanced Data' (TKDE 2009), section 3.1.1. The further samples are drawn
    anew in each epoch. An epoch has K times as many samples as the largest class, and so more steps.
    """

    def __init__(self, *, labels: Tensor):
        self.classes = ByClass(labels, "oversampled")

    def epoch(self, generator: torch.Generator) -> Tensor:
        counts, starts = self.classes.counts, self.classes.starts
        missing = counts.max() - counts
        sizes, offsets = (each.repeat_interleave(missing) for each in (counts, starts))
        drawn = torch.rand(len(sizes), generator=generator, dtype=torch.float64)
        further = self.classes.positions[offsets + (drawn * sizes).long()]
        every = torch.cat([self.classes.positions, further])
        return every[torch.randperm(len(every), generator=generator)]
