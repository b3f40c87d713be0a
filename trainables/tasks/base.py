"""What a task decides. Training, checkpoints, workers, store, queue and tables take whatever it gives."""

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
    """Measures of the predictions of one epoch, gathered batch by batch.

    Attributes:
        sums: All that it has gathered, on the device: a checkpoint within an epoch keeps it.
    """

    sums: Tensor

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Takes one batch in. It must not wait for the device."""
        ...

    def read(self, prefix: str) -> Curves:
        """The epoch's curves, each name beginning with `prefix`."""
        ...


class Task(ABC, Generic[P]):
    """What is learnt: the meaning of outputs and targets, and how both are measured, kept and scored.

    Outputs are what the network gives, float [M, ...]; targets are the labels of the data set's batches,
    [M, ...]. `P` holds the predictions of one part of the data, on the CPU. Where the mark's spec says
    `scores_other_sets`, a network can be scored on data sets that it was not trained for, by the methods
    whose names end in `elsewhere`.
    """

    # Training

    @abstractmethod
    def measures(self, device: torch.device) -> Measures:
        """Begins the measures of an epoch."""

    def loss(
        self, loss: nn.Module, outputs: Tensor, targets: Tensor, context: Mapping[str, Tensor]
    ) -> Tensor:
        """The loss of one batch, a scalar.

        Args:
            outputs: float32, of the whole batch.
            context: What the loss asks for by name in the signature of its `forward`, of `batch_context`.
        """
        value: Tensor = loss(outputs, targets, **context)
        return value

    def loss_context(self, dataset: Dataset) -> dict[str, Any]:
        """What a loss gets that names it in its `__init__`."""
        return {}

    def batch_context(self, split: Split, indices: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """What a loss gets with each batch that names it in its `forward`: the samples' ids, int64 [N].

        Args:
            indices: Of the whole batch, [N].
            targets: Of the whole batch, [M].
        """
        if len(targets) != len(indices):
            raise ConfigurationError("a loss cannot have sample_ids where samples have several labels each.")
        return {"sample_ids": split.sample_ids[indices.to(split.sample_ids.device)].to(targets.device)}

    # Choosing the epoch that counts

    @abstractmethod
    def evaluated(self, outputs: Tensor, targets: Tensor, prefix: str) -> Curves:
        """The curves of a whole part of the data."""

    @abstractmethod
    def selection(self, curves: Curves) -> float:
        """What the best epoch has most of, from the curves of the part 'validation'."""

    @abstractmethod
    def summary(self, curves: Curves, part: str) -> dict[str, float]:
        """The few curves that tell a person how good an epoch is, by the names that are printed; fractions.

        Args:
            part: 'validation' or 'test'.
        """

    # Predictions

    @abstractmethod
    def predictions(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor) -> P:
        """The predictions of a part, from tensors on the CPU."""

    @abstractmethod
    def columns(self, predictions: P) -> dict[str, Tensor]:
        """Predictions as the columns of a table: tensors [N] or [N, D], in order. `sample_id` is one."""

    @abstractmethod
    def from_columns(self, columns: Mapping[str, Tensor]) -> P:
        """Predictions from what `columns` gave."""

    # Scores

    @abstractmethod
    def scores(self, validation: P, test: P) -> dict[str, float]:
        """The scores that are committed with a trial, by column: 'test_error', 'validation_ece', ...

        Equal predictions have equal scores, but for `off`.
        """

    def differing(
        self, scores: Mapping[str, float], validation: P, test: P, off: float
    ) -> dict[str, tuple[float, float]]:
        """Committed scores that predictions do not give, as (committed, anew).

        A score that this version does not know, or that the row lacks, is not compared.

        Args:
            off: How far arithmetic alone may put a number in [0, 1].
        """
        anew = self.scores(validation, test)
        return {
            name: (value, anew[name])
            for name, value in scores.items()
            if name in anew and not _equal(value, anew[name], off)
        }

    def elsewhere(self, outputs: Tensor, targets: Tensor, sample_ids: Tensor, same_targets: bool) -> P:
        """The predictions of another data set.

        Args:
            same_targets: Whether its targets are those that the network was trained for.
        """
        raise NotImplementedError

    def scores_elsewhere(self, scores: Mapping[str, float], test: P, other: P) -> dict[str, float]:
        """Scores of another data set.

        Args:
            scores: Of the trial itself, as `scores` gave them.
            test: Predictions of the trial's own test part.
        """
        raise NotImplementedError

    def differing_elsewhere(
        self, committed: Mapping[str, float], scores: Mapping[str, float], test: P, other: P, off: float
    ) -> dict[str, tuple[float, float]]:
        """As `differing`, of the scores of another data set."""
        raise NotImplementedError


def _equal(committed: float, anew: float, off: float) -> bool:
    both_undefined = committed != committed and anew != anew
    return both_undefined or abs(committed - anew) <= off * max(1.0, abs(committed))
