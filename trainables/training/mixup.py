"""Mixup: trains on weighted means of two samples of a batch, and of the losses of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.base import Dataset
from trainables.errors import ConfigurationError
from trainables.training import seeds
from trainables.trial import Trial


@dataclass(frozen=True)
class Mixing:
    """How the samples of a batch are mixed, each with one partner.

    Zhang et al., 'mixup: Beyond Empirical Risk Minimization' (ICLR 2018): input i becomes share * x_i +
    (1 - share) * x_partner, and the loss share * L(outputs, labels) + (1 - share) * L(outputs, labels of the
    partners), as in the code of the authors. For a loss of the whole batch, such as MMCE, that is its mean if
    either all labels or those of all partners count, with these probabilities.

    Attributes:
        share: lambda, drawn from Beta(alpha, alpha) for the whole batch.
        partners: A permutation of the batch, int64 [N], on the device.
    """

    share: float
    partners: Tensor

    def inputs(self, inputs: Tensor) -> Tensor:
        """The mixed inputs [N, ...] of the whole batch."""
        return self.share * inputs + (1 - self.share) * inputs[self.partners]

    def labels(self, labels: Tensor) -> Tensor:
        """Of each mixed sample the label [N] with the greater share."""
        return labels if self.share >= 0.5 else labels[self.partners]


def mixings(trial: Trial, epoch: int, batches: Sequence[Tensor]) -> list[Mixing]:
    """The mixing of each batch of an epoch.

    All are drawn at once: copying the partners to the device with each batch would wait for it. A resumed
    epoch draws the same ones again.
    """
    generator = np.random.default_rng(seeds.mixing(trial, epoch))
    alpha = trial.training.mixup
    shares = generator.beta(alpha, alpha, size=len(batches)).tolist()
    drawn = [torch.from_numpy(generator.permutation(len(batch))) for batch in batches]
    partners = torch.split(torch.cat(drawn).to(batches[0].device), [len(batch) for batch in batches])
    return [Mixing(share, each) for share, each in zip(shares, partners, strict=True)]


def refuse_unmixable(trial: Trial, dataset: Dataset) -> None:
    """Raises ConfigurationError for data whose inputs are not tensors of real numbers."""
    inputs: Any = dataset.train.batch(torch.zeros(1, dtype=torch.int64, device=dataset.train.labels.device))[
        0
    ]
    if not (isinstance(inputs, Tensor) and inputs.is_floating_point()):
        kind = inputs.dtype if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ConfigurationError(
            f"training.mixup needs inputs of real numbers, but those of data set {trial.dataset.label!r} are "
            f"{kind}."
        )
