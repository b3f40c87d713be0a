"""The interface of a task. Training, checkpoints, workers, store, queue and tables depend only on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from trainables.datasets.base import Dataset, Split
from trainables.errors import ConfigurationError
from trainables.training.curves import Curves

P = TypeVar("P")


class Measures(Protocol):
    """Measures of the predictions of one epoch, accumulated batch by batch.

    Attributes:
        sums: The accumulated state, on the device: a checkpoint within an epoch stores it.
    """

    sums: Tensor

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Adds one batch. It must not wait for the device."""
        ...

    def read(self, prefix: str) -> Curves:
        """The epoch's curves, with `prefix` in front of each name."""
        ...


class Task(ABC, Generic[P]):
    """The learning task: the meaning of outputs and targets, and how both are measured, stored and scored.

    Outputs come from the network, float [M, ...]; targets are the labels of the data set's batches, [M, ...].
    `P` holds the predictions on one part of the data, on the CPU. If the mark's spec says
    `other_evaluations`, a network can be evaluated on data sets other than its own, by the methods whose
    names end in `elsewhere`.
    """

    # Training

    @abstractmethod
    def measures(self, device: torch.device) -> Measures:
        """Starts the measures of an epoch."""

    def loss(
        self, loss: nn.Module, outputs: Tensor, targets: Tensor, context: Mapping[str, Tensor]
    ) -> Tensor:
        """The loss of one batch, a scalar.

        Args:
            outputs: float32, of the whole batch.
            context: The part of `batch_context` that the loss names in the signature of its `forward`.
        """
        value: Tensor = loss(outputs, targets, **context)
        return value

    def loss_context(self, dataset: Dataset) -> dict[str, Any]:
        """Context for losses that name it in their `__init__`."""
        return {}

    def batch_context(self, split: Split, indices: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Context for losses that name it in their `forward`: the samples' ids, int64 [N].

        Args:
            indices: Those of the whole batch, [N].
            targets: Those of the whole batch, [M].
        """
        if len(targets) != len(indices):
            raise ConfigurationError("a loss cannot take sample_ids if samples have several labels each.")
        return {"sample_ids": split.sample_ids[indices.to(split.sample_ids.device)].to(targets.device)}

    # Selection of the reported epoch

    @abstractmethod
    def evaluated(self, outputs: Tensor, targets: Tensor, prefix: str) -> Curves:
        """The curves on a whole part of the data."""

    def calibrated(self, validation: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Curves:
        """The curves after a calibration that the epoch's own validation outputs determine.

        They are recorded, and decide nothing.

        Args:
            validation, test: Outputs and targets of each part.
        """
        return {}

    @abstractmethod
    def selection(self, curves: Curves) -> float:
        """The criterion that the best epoch maximises, from the curves of the part 'validation'."""

    @abstractmethod
    def summary(self, curves: Curves, part: str) -> dict[str, float]:
        """The main curves of an epoch for display, by their printed names; fractions.

        Args:
            part: 'validation' or 'test'.
        """

    # Predictions

    @abstractmethod
    def predictions(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor) -> P:
        """The predictions on a part, from tensors on the CPU."""

    @abstractmethod
    def columns(self, predictions: P) -> dict[str, Tensor]:
        """Predictions as the columns of a table: tensors [N] or [N, D], in order. `sample_id` is one."""

    @abstractmethod
    def from_columns(self, columns: Mapping[str, Tensor]) -> P:
        """Restores predictions from the result of `columns`."""

    # Scores

    @abstractmethod
    def scores(self, validation: P, test: P) -> dict[str, float]:
        """The scores committed with a trial, by column: 'test_error', 'validation_ece', ...

        Equal predictions have equal scores, up to `off`.
        """

    def differing(
        self, scores: Mapping[str, float], validation: P, test: P, off: float
    ) -> dict[str, tuple[float, float]]:
        """Committed scores that do not follow from the predictions, as (committed, computed).

        Scores that this version or the row lacks are not compared.

        Args:
            off: Tolerance for differences in arithmetic, for numbers in [0, 1].
        """
        computed = self.scores(validation, test)
        return {
            name: (value, computed[name])
            for name, value in scores.items()
            if name in computed and not _equal(value, computed[name], off)
        }

    def elsewhere(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor, same_targets: bool) -> P:
        """The predictions on another data set.

        Args:
            same_targets: Whether its targets are those that the network was trained on.
        """
        raise NotImplementedError

    def scores_elsewhere(self, scores: Mapping[str, float], test: P, other: P) -> dict[str, float]:
        """Scores on another data set.

        Args:
            scores: The trial's own, from `scores`.
            test: Predictions on the trial's own test part.
        """
        raise NotImplementedError

    def differing_elsewhere(
        self, committed: Mapping[str, float], scores: Mapping[str, float], test: P, other: P, off: float
    ) -> dict[str, tuple[float, float]]:
        """Like `differing`, for the scores on another data set."""
        raise NotImplementedError


def _equal(committed: float, computed: float, off: float) -> bool:
    both_undefined = committed != committed and computed != computed
    return both_undefined or abs(committed - computed) <= off * max(1.0, abs(committed))
