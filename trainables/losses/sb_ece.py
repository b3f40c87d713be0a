"""SB-ECE: cross-entropy plus a calibration error whose bins have soft edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register

ROOT_OFFSET = 1e-10
"""Added under the root, which has infinite slope at 0."""

SMALLEST_BIN = 1e-12
"""Lower bound of the samples in a bin: far from all confidences the number underflows to 0."""


@register("sb_ece")
class SoftBinnedECE(Loss):
    """Mean cross-entropy + weight * sqrt(sum_j n_j / N (accuracy_j - confidence_j)^2 + 1e-10).

    Sample i with confidence c_i belongs to bin j, with centre b_j, to the degree g_ij: the softmax over j of
    -(c_i - b_j)^2 / temperature. n_j = sum_i g_ij, and accuracy and confidence of a bin are means with the
    weights g_ij. The bins are equally wide. Karandikar et al., 'Soft Calibration Objectives for Neural
    Networks' (NeurIPS 2021), equation 11, of order 2. The published form has no 1e-10, and its gradient is
    NaN where accuracy and confidence of all bins are equal.

    The reduction 'mean' is the formula itself, 'sum' is N times it.

    Args:
        weight: beta. The paper chose weight and temperature for each data set. The defaults are those of
            Yoon et al., 'ESD' (ICLR 2023), for this loss as a baseline.
        temperature: Softness of the edges. As it approaches 0, the error becomes the ECE of order 2.
        bins: Number of bins.
        reduction: 'sum' or 'mean' over the batch.
    """

    centres: Tensor

    def __init__(
        self,
        weight: float = 2.0,
        temperature: float = 0.01,
        bins: int = 15,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if not weight >= 0:
            raise ConfigurationError(f"sb_ece: weight must not be negative, but is {weight}.")
        if not temperature > 0:
            raise ConfigurationError(f"sb_ece: temperature must be positive, but is {temperature}.")
        if not bins >= 1:
            raise ConfigurationError(f"sb_ece: bins must be at least 1, but is {bins}.")
        self.weight = weight
        self.temperature = temperature
        centres = (torch.arange(bins, dtype=torch.float64) + 0.5) / bins
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        mean = functional.cross_entropy(logits, labels) + self.weight * self.error(logits, labels)
        return mean * len(labels) if self.reduction == "sum" else mean

    def error(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The soft-binned ECE of a batch, a scalar: a fraction, at least 1e-5."""
        confidences, predictions = torch.softmax(logits, dim=1).max(dim=1)
        excess = confidences - (predictions == labels).to(confidences.dtype)
        distances = confidences[:, None] - self.centres.to(confidences.dtype)
        members = torch.softmax(-distances.square() / self.temperature, dim=1)
        sizes = members.sum(dim=0).clamp_min(SMALLEST_BIN)
        square = ((excess @ members).square() / sizes).sum() / len(labels)
        return torch.sqrt(square + ROOT_OFFSET)
