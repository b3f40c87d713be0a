"""Kernel calibration."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from trainables.calibrators.of_probmetrics import OfProbmetrics
from trainables.registry import register

ROWS_AT_ONCE = 256
"""Each takes K kernels with up to 10,000 validation samples."""


@register(
    "kernel",
    spec={
        "title": "kernel calibration",
        "symbol": "KC",
        "keeps_order": False,
        "requires": "calibrators",
    },
)
class Kernel(OfProbmetrics):
    """Mean of the labels of validation samples, weighted by a Dirichlet kernel between the probabilities.

    Popordanoska et al., 'A Consistent and Differentiable Lp Canonical Calibration Error Estimator' (NeurIPS
    2022), equation 9, as a calibrator. The bandwidth follows Scott's rule. Of more than 10,000 validation
    samples, so many are drawn.
    """

    def made(self, calibrators: ModuleType) -> Any:
        return calibrators.KernelCalibrator()

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        # It draws from the global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            super().fit(logits, labels)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        return torch.cat(
            [super(Kernel, self).log_probabilities(rows) for rows in torch.split(logits, ROWS_AT_ONCE)]
        )
