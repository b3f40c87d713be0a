"""Undersampling: each class is cut down to the size of the smallest."""

from __future__ import annotations

import numpy as np
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
        classes = ByClass(labels, "undersampled")
        # NumPy sorts labels of 8 or 16 bits in linear time, torch does not.
        self.labels = labels.numpy().astype(np.min_scalar_type(int(labels.max())))
        self.first = (classes.starts[:, None] + torch.arange(int(classes.counts.min()))).flatten()

    def epoch(self, generator: torch.Generator) -> Tensor:
        order = torch.randperm(len(self.labels), generator=generator)
        by_class = torch.from_numpy(self.labels[order.numpy()].argsort(kind="stable"))
        chosen = order[by_class[self.first]]
        return chosen[torch.randperm(len(chosen), generator=generator)]
