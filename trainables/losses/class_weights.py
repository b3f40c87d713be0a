"""Weights of classes from their numbers of training samples.

An empty class has the weight of a class with one sample. No training sample has its label, so the weight is
never used; it only has to be finite.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainables.errors import ConfigurationError


def of_frequencies(class_counts: Tensor, power: float) -> Tensor:
    """Weights proportional to n_k^-power, float64 [K], with mean 1 over the training samples."""
    return mean_over_samples(class_counts.double().clamp_min(1).pow(-power), class_counts)


def of_effective_numbers(class_counts: Tensor, beta: float, loss: str) -> Tensor:
    """(1 - beta) / (1 - beta^n_k), float64 [K]: one divided by the effective number of samples.

    Cui et al., 'Class-Balanced Loss Based on Effective Number of Samples' (CVPR 2019), section 3.

    Raises:
        ConfigurationError: beta is not in [0, 1); the message names `loss`.
    """
    if not 0 <= beta < 1:
        raise ConfigurationError(f"{loss}: beta must be at least 0 and below 1, but is {beta}.")
    if beta == 0:
        return torch.ones_like(class_counts, dtype=torch.float64)
    # With expm1 since beta^n is close to 1 for few samples.
    return -(1 - beta) / torch.expm1(class_counts.double().clamp_min(1) * math.log(beta))


def mean_over_samples(weights: Tensor, class_counts: Tensor) -> Tensor:
    """Weights [K] scaled to mean 1 over the training samples, so that the loss keeps its size."""
    return weights * class_counts.sum() / (weights * class_counts).sum()


def mean_over_classes(weights: Tensor, class_counts: Tensor) -> Tensor:
    """Weights [K] scaled to mean 1 over the classes that have samples."""
    present = class_counts > 0
    return weights * present.sum() / (weights * present).sum()
