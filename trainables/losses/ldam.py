"""LDAM: cosines instead of logits, and a margin that is wider for rarer classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses import class_weights
from trainables.losses.base import Loss, Reduction
from trainables.losses.last_layer import of, put
from trainables.registry import register


@register("ldam_drw")
class LDAM(Loss):
    """w_y times the cross-entropy of s (z_k - m_k [k = y]), with the cosines z and the margins m_k.

    Cao et al., 'Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss' (NeurIPS 2019),
    sections 3.2 and 3.3. m_k is proportional to n_k^(-1/4), and the greatest is `margin`. In the last layer
    of the network, features and weights are normalised, and there is no bias, as released: its outputs are
    the cosines z. The logits that are stored and scored are s z.

    Deferred re-weighting: w is 1 at first, and from a share of the epochs on proportional to (1 - beta) / (1
    - beta^n_k), with mean 1 over the training samples. The released code divides by the weights of each
    batch instead, which is the same on average.

    Buffers, each [K]: `margins`, `deferred`, the weights to come, and `weights`, those in use.

    Args:
        class_counts: Training labels of each class, n_k, int64 [K]. An empty class has the greatest margin.
        margin: The greatest margin of a cosine.
        scale: s.
        reweight_from: Share of the epochs before the weights start: 0.8 for 160 of 200; 1 for never.
        beta: Of the effective numbers of samples, as in `class_balanced_cross_entropy`.
        reduction: 'sum' or 'mean' over the batch; the mean divides by samples, not by their weights.
    """

    margins: Tensor
    deferred: Tensor
    weights: Tensor

    def __init__(
        self,
        class_counts: Tensor,
        margin: float = 0.5,
        scale: float = 30.0,
        reweight_from: float = 0.8,
        beta: float = 0.9999,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if not (margin >= 0 and scale > 0):
            raise ConfigurationError(
                f"ldam_drw: margin must not be negative and scale must be positive, but are {margin} and "
                f"{scale}."
            )
        if not 0 <= reweight_from <= 1:
            raise ConfigurationError(f"ldam_drw: reweight_from must be in [0, 1], but is {reweight_from}.")
        self.scale = scale
        self.reweight_from = reweight_from
        rarest = class_counts[class_counts > 0].min().double()
        self.register_buffer("margins", margin * (rarest / class_counts.clamp_min(rarest)).pow(0.25))
        weights = class_weights.of_effective_numbers(class_counts, beta, "ldam_drw")
        self.register_buffer("deferred", class_weights.mean_over_samples(weights, class_counts))
        self.register_buffer("weights", torch.ones_like(self.margins))

    def on_network(self, network: nn.Module) -> None:
        put(network, Cosines(of(network, "ldam_drw")))

    def logits(self, outputs: Tensor) -> Tensor:
        return self.scale * outputs

    def on_epoch_start(self, epoch: int, epochs: int) -> None:
        # The product may exceed a whole number by rounding.
        if epoch >= math.ceil(self.reweight_from * epochs - 1e-9):
            self.weights.copy_(self.deferred)
        else:
            self.weights.fill_(1)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        true = torch.zeros_like(logits).scatter(1, labels[:, None], 1)
        scores = self.scale * (logits - self.margins.to(logits.dtype) * true)
        losses = functional.cross_entropy(scores, labels, reduction="none")
        return self.weights.to(logits.dtype)[labels] * losses


class Cosines(nn.Linear):
    """Cosines between the features and the weights of each class, [N, K]."""

    def __init__(self, layer: nn.Linear):
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        self.weight = layer.weight

    def forward(self, features: Tensor) -> Tensor:
        return functional.linear(
            functional.normalize(features, dim=-1), functional.normalize(self.weight, dim=1)
        )
