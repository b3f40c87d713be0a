"""The focal loss of RetinaNet: a sigmoid for each class against all others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.last_layer import of
from trainables.registry import register


@register("sigmoid_focal", spec={"softmax": False, "sigmoids": True})
class SigmoidFocal(Loss):
    """sum_k -alpha_t (1 - p_t)^gamma log p_t, with a sigmoid for each class k against all others.

    p_t is s(z_k) for the true class and 1 - s(z_k) for others, with the logistic function s; alpha_t is
    alpha or 1 - alpha. Lin et al., 'Focal Loss for Dense Object Detection' (ICCV 2017), equation 5; for the
    first bias, section 4.1. The probabilities that are scored are s(z_k) / sum_j s(z_j): the logits that are
    stored are log s(z_k), so their exponentials are the sigmoids themselves.

    Args:
        gamma: Strength of the discount on confident decisions.
        alpha: Weight of the true class, in (0, 1).
        prior: Value of each s(z_k) where the features are 0, at the start: the last bias is log(prior / (1 -
            prior)).
        reduction: 'sum' or 'mean' over the batch.
    """

    def __init__(
        self, gamma: float = 2.0, alpha: float = 0.25, prior: float = 0.01, reduction: Reduction = "sum"
    ):
        super().__init__(reduction)
        if not gamma >= 0:
            raise ConfigurationError(f"sigmoid_focal: gamma must not be negative, but is {gamma}.")
        if not (0 < alpha < 1 and 0 < prior < 1):
            raise ConfigurationError(
                f"sigmoid_focal: alpha and prior must be in (0, 1), but are {alpha} and {prior}."
            )
        self.gamma = gamma
        self.alpha = alpha
        self.prior = prior

    def on_network(self, network: nn.Module) -> None:
        set_prior(network, self.prior, "sigmoid_focal")

    def logits(self, outputs: Tensor) -> Tensor:
        return functional.logsigmoid(outputs)

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        true = torch.zeros_like(logits).scatter(1, labels[:, None], 1)
        alpha = 1 - self.alpha + (2 * self.alpha - 1) * true
        return (alpha * decisions(logits, true, self.gamma)).sum(dim=1)


def decisions(logits: Tensor, true: Tensor, gamma: float) -> Tensor:
    """-(1 - p_t)^gamma log p_t of each class, [N, K], from logits [N, K] and one-hot labels [N, K]."""
    signed = (2 * true - 1) * logits
    # The power by its logarithm: its slope is finite even where 1 - p_t underflows.
    return -torch.exp(gamma * functional.logsigmoid(-signed)) * functional.logsigmoid(signed)


def set_prior(network: nn.Module, prior: float, loss: str) -> None:
    """Makes the sigmoids of a network start near `prior`, by the bias of its last layer.

    Raises:
        ConfigurationError: The last layer is not linear or has no bias; the message names `loss`.
    """
    bias = of(network, loss).bias
    if bias is None:
        raise ConfigurationError(f"{loss} sets the last bias, but the network has none.")
    with torch.no_grad():
        bias.fill_(math.log(prior / (1 - prior)))
