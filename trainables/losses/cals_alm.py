"""CALS-ALM: a margin on distances of logits, enforced for each class by an augmented Lagrangian."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.registry import register

LEAST, GREATEST = 1e-6, 1e6
"""Limits of the multipliers, which start at the lower one."""

GREATEST_STIFFNESS = 10.0
DECREASE = 0.9
"""Factor by which a violation must shrink from one epoch to the next."""


@register("cals_alm")
class CALSALM(Loss):
    """Cross-entropy + mean_k P(h_k, l_k, r_k), with h_k = (max z - z_k) / margin - 1 and the logits z.

    The constraint of class k is h_k <= 0: its logit lies at most `margin` below the greatest. l_k is its
    multiplier and r_k its stiffness. After each epoch l_k becomes the mean of dP/dh over the validation set,
    each within [1e-6, 1e6]. In each `every`-th epoch r_k grows by the factor `growth`, up to 10, if the mean
    of h_k is above 0, and above 0.9 times that of the epoch before.

    Liu et al., 'Class Adaptive Network Calibration' (CVPR 2023); limits, mean over the classes and schedule
    as released. The functions P are those of Birgin et al., 'Numerical Comparison of Augmented Lagrangian
    Algorithms for Nonconvex Problems' (Computational Optimization and Applications 2005):

    - 'phr': l h + r h^2 / 2 where l + r h >= 0, and -l^2 / (2 r) elsewhere;
    - 'p2': l h + l r h^2 + r^2 h^3 / 6 where h >= 0, and l h / (1 - r h) elsewhere.

    Buffers, each [K]: `multipliers`, `stiffness`, and `violations`, the means of h at the last validation;
    `epochs`, the number of validations.

    Args:
        class_counts: Training labels of each class, int64 [K]. Only their number matters.
        margin: Distance of logits that costs nothing.
        penalty: P: 'phr', the default of the released code, or 'p2'.
        growth: Factor of the stiffness.
        every: Epochs between changes of the stiffness.
        reduction: 'sum' or 'mean' over the batch.
    """

    multipliers: Tensor
    stiffness: Tensor
    violations: Tensor
    epochs: Tensor

    def __init__(
        self,
        class_counts: Tensor,
        margin: float = 10.0,
        penalty: Literal["phr", "p2"] = "phr",
        growth: float = 1.2,
        every: int = 10,
        reduction: Reduction = "sum",
    ):
        super().__init__(reduction)
        if not margin > 0:
            raise ConfigurationError(f"cals_alm: margin must be positive, but is {margin}.")
        if not growth >= 1:
            raise ConfigurationError(f"cals_alm: growth must be at least 1, but is {growth}.")
        if not every >= 1:
            raise ConfigurationError(f"cals_alm: every must be at least 1, but is {every}.")
        self.margin = margin
        self.penalty = penalty
        self.growth = growth
        self.every = every
        classes = len(class_counts)
        self.register_buffer("multipliers", torch.full((classes,), LEAST, dtype=torch.float64))
        self.register_buffer("stiffness", torch.ones(classes, dtype=torch.float64))
        self.register_buffer("violations", torch.full((classes,), torch.inf, dtype=torch.float64))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        value, _ = self._penalty(self._excess(logits))
        return functional.cross_entropy(logits, labels, reduction="none") + value.mean(dim=1)

    @torch.no_grad()
    def on_validation(self, logits: Tensor, labels: Tensor) -> None:
        excess = self._excess(logits.double())
        _, slope = self._penalty(excess)
        violations = excess.mean(dim=0)
        self.epochs += 1
        self.multipliers.copy_(slope.clamp(LEAST, GREATEST).mean(dim=0))
        # At first the former violations are infinite, and nothing has failed to shrink.
        stuck = violations > DECREASE * self.violations.clamp_min(0)
        stiffer = (self.growth * self.stiffness).clamp_max(GREATEST_STIFFNESS)
        due = self.epochs % self.every == 0
        self.stiffness.copy_(torch.where(due & stuck, stiffer, self.stiffness))
        self.violations.copy_(violations)

    def _excess(self, logits: Tensor) -> Tensor:
        """h [N, K]."""
        return (logits.amax(dim=1, keepdim=True) - logits) / self.margin - 1

    def _penalty(self, excess: Tensor) -> tuple[Tensor, Tensor]:
        """P and dP/dh, each [N, K], of h [N, K]."""
        multipliers, stiffness = self.multipliers.to(excess.dtype), self.stiffness.to(excess.dtype)
        if self.penalty == "phr":
            slope = functional.relu(multipliers + stiffness * excess)
            return (slope.square() - multipliers.square()) / (2 * stiffness), slope
        above, below = excess.clamp_min(0), 1 - stiffness * excess.clamp_max(0)
        cubic = multipliers * above * (1 + stiffness * above) + stiffness.square() * above.pow(3) / 6
        steep = multipliers * (1 + 2 * stiffness * above) + (stiffness * above).square() / 2
        satisfied = excess < 0
        value = torch.where(satisfied, multipliers * excess / below, cubic)
        return value, torch.where(satisfied, multipliers / below.square(), steep)
