"""What a trial leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainables.training.curves import Curves
from trainables.trial import Trial


@dataclass
class TrialResult:
    """All that a finished trial leaves behind.

    Attributes:
        validation, test: Predictions of both parts, as the trial's task has them, on the CPU.
        epochs: The learning curves, one dictionary an epoch.
        reported_epoch: The epoch (from 0) that the predictions are of.
        measurements: What the run cost and ran on; differs from run to run.
    """

    trial: Trial
    validation: Any
    test: Any
    epochs: list[Curves]
    reported_epoch: int
    dataset_fingerprint: str
    measurements: dict[str, Any] = field(default_factory=dict)
