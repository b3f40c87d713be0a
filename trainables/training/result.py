"""What a trial leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from trainables.training.curves import Curves
from trainables.trial import Trial


@dataclass
class Predictions:
    """What a trained network says of one part of a data set, on the CPU.

    Attributes:
        logits: float32 [N, K].
        labels: int64 [N].
        sample_ids: int64 [N], each sample's position in the published data set.
    """

    logits: Tensor
    labels: Tensor
    sample_ids: Tensor


@dataclass
class TrialResult:
    """All that a finished trial leaves behind.

    Attributes:
        epochs: The learning curves, one dictionary an epoch.
        reported_epoch: The epoch (from 0) that the predictions are of.
        measurements: What the run cost and ran on; differs from run to run.
    """

    trial: Trial
    validation: Predictions
    test: Predictions
    epochs: list[Curves]
    reported_epoch: int
    dataset_fingerprint: str
    measurements: dict[str, Any] = field(default_factory=dict)
