"""Undersampling: each class is cut down to the size of the smallest."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.registry import register
from trainables.samplers.base import Sampler
from trainables.samplers.by_class import ByClass


@register("undersampled")
class Undersampled(Sampler):
    """As many samples of each class as the smallest has, without replacement.

    He and Garcia, 'Learning from Imbalanced Data' (TKDE 2009), section 3.1.1. They are drawn anew in each
    epoch, so that in time all samples are seen. An epoch has K times as many samples as the smallest class,
    and so fewer steps. Classes without samples do not count.
    """

    def __init__(self, *, labels: Tensor):
        self.classes = ByClass(labels, "undersampled")

    def epoch(self, generator: torch.Generator) -> Tensor:
        labels, counts = self.classes.labels, self.classes.counts
        order = torch.randperm(len(labels), generator=generator)
        by_class = order[labels[order].argsort(stable=True)]
        places = torch.arange(len(labels)) - self.classes.starts.repeat_interleave(counts)
        chosen = by_class[places < counts.min()]
        return chosen[torch.randperm(len(chosen), generator=generator)]
