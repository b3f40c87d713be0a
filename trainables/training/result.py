"""The result of a trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainables.training.curves import Curves
from trainables.trial import Trial


@dataclass
class TrialResult:
    """The complete result of a finished trial.

    Attributes:
        validation, test: Predictions on both parts, in the form of the trial's task, on the CPU.
        epochs: The learning curves, one dictionary per epoch.
        reported_epoch: The epoch (from 0) of the predictions.
        measurements: Cost and environment of the run; differs between runs.
        class_counts: Number of training labels of each class, [K]; None for a task without classes.
    """

    trial: Trial
    validation: Any
    test: Any
    epochs: list[Curves]
    reported_epoch: int
    dataset_fingerprint: str
    measurements: dict[str, Any] = field(default_factory=dict)
    class_counts: tuple[int, ...] | None = None
