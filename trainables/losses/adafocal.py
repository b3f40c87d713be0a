"""AdaFocal: focal loss with a gamma per bin that adapts to the calibration on the validation set."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.focal import focal_loss, inverse_focal_loss, true_log_probability
from trainables.metrics.bins import bin_of, equal_mass_edges, totals
from trainables.registry import register

BINS = 15


@register("adafocal")
class AdaFocal(Loss):
    """Focal loss for gamma > 0, inverse focal loss with |gamma| for gamma < 0.

    Ghosh et al., 'AdaFocal: Calibration-aware Adaptive Focal Loss' (NeurIPS 2022); switch and limits as
    released. After each epoch the validation set is divided by confidence into 15 equal-mass bins. The gamma
    of a bin grows with its confidence minus its accuracy. A training sample uses the gamma of the bin that
    contains its true-class probability.

    Buffers: `gammas` [15]; `edges` [16]. Bin b is [edges[b], edges[b + 1]). Smaller values belong to the
    first bin, larger ones to the last.

    Args:
        lambda_: Rate of the update gamma * exp(lambda * (confidence - accuracy)).
        switch: If |gamma| falls below this, gamma changes its sign, and with it the kind of loss.
        minimum_gamma: Lower limit, negative.
        maximum_gamma: Upper limit.
        initial_gamma: Gamma of all bins before the first validation.
        reduction: 'sum' or 'mean' over the batch.
    """

    gammas: Tensor
    edges: Tensor

    def __init__(
        self,
        lambda_: float = 1.0,
        switch: float = 0.2,
        minimum_gamma: float = -2.0,
        maximum_gamma: float = 20.0,
        initial_gamma: float = 1.0,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if not (lambda_ > 0 and switch > 0):
            raise ConfigurationError(
                f"adafocal: lambda_ and switch must be positive, not {lambda_} and {switch}."
            )
        if not minimum_gamma <= -switch < switch <= maximum_gamma:
            raise ConfigurationError(
                "adafocal: minimum_gamma <= -switch and switch <= maximum_gamma must hold."
            )
        if initial_gamma == 0 or not minimum_gamma <= initial_gamma <= maximum_gamma:
            raise ConfigurationError(
                f"adafocal: initial_gamma must lie within the limits and not be 0, but is {initial_gamma}."
            )
        self.lambda_ = lambda_
        self.switch = switch
        self.minimum_gamma = minimum_gamma
        self.maximum_gamma = maximum_gamma
        # float64, so that rounding over hundreds of updates does not decide whether gamma crosses the switch.
        self.register_buffer("gammas", torch.full((BINS,), initial_gamma, dtype=torch.float64))
        self.register_buffer("edges", torch.arange(BINS + 1, dtype=torch.float64) / BINS)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probability = true_log_probability(logits, labels)
        gamma = self.gamma_of(log_probability.detach().exp())
        strength = gamma.abs()
        return torch.where(
            gamma > 0,
            focal_loss(log_probability, strength),
            inverse_focal_loss(log_probability, strength),
        )

    def gamma_of(self, probability: Tensor) -> Tensor:
        """gamma [N] for true-class probabilities [N], in their dtype."""
        chosen = torch.bucketize(probability.double(), self.edges[1:-1], right=True)
        return self.gammas[chosen].to(probability.dtype)

    @torch.no_grad()
    def on_validation(self, logits: Tensor, labels: Tensor) -> None:
        confidences, predictions = torch.softmax(logits, dim=1).max(dim=1)
        edges = equal_mass_edges(confidences, BINS)
        chosen = bin_of(confidences, edges)
        excess = confidences.double() - (predictions == labels).double()
        counts = totals(chosen, torch.ones_like(excess), BINS)
        self.update(totals(chosen, excess, BINS) / counts.clamp_min(1), edges)

    @torch.no_grad()
    def update(self, gaps: Tensor, edges: Tensor) -> None:
        """Updates the gammas and the bins.

        Args:
            gaps: Confidence minus accuracy of each validation bin [15]; 0 for an empty bin, which keeps its
                gamma.
            edges: New edges of the bins [16].
        """
        moved = self.gammas * torch.exp(self.gammas.sign() * self.lambda_ * gaps)
        turned = torch.where(moved.abs() < self.switch, -moved.sign() * self.switch, moved)
        self.gammas.copy_(turned.clamp(self.minimum_gamma, self.maximum_gamma))
        self.edges.copy_(edges)
