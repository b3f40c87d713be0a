"""Sampling that moves from all samples to all classes."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.registry import register
from trainables.samplers.base import Sampler
from trainables.samplers.by_class import checked


@register("progressively_balanced")
class ProgressivelyBalanced(Sampler):
    """As many samples as the training part has; first all are equally likely, later all classes.

    They are drawn with replacement, of class j with probability (1 - t / T) n_j / N + (t / T) / K in epoch t
    (from 0) of T. Kang et al., 'Decoupling Representation and Classifier for Long-Tailed Recognition' (ICLR
    2020), section 3. n_j is the number of training samples of class j; K counts only classes with samples.
    """

    def __init__(self, *, labels: Tensor):
        counts = torch.bincount(checked(labels, "progressively_balanced")).double()
        # The samples of a class share its probability.
        self.balanced = (1 / ((counts > 0).sum() * counts.clamp_min(1)))[labels]
        self.share = 0.0

    def on_epoch_start(self, epoch: int, epochs: int) -> None:
        self.share = epoch / epochs

    def epoch(self, generator: torch.Generator) -> Tensor:
        samples = len(self.balanced)
        weights = (1 - self.share) / samples + self.share * self.balanced
        return torch.multinomial(weights, samples, replacement=True, generator=generator)
