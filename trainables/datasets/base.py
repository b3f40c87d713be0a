"""Base classes of data sets: three parts with labels and ids, and batches for models."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables.datasets.files import Progress, silent

if TYPE_CHECKING:
    from trainables.datasets.word_vectors import WordVectors


@dataclass
class Split:
    """One part of a data set, as tensors. Subclasses for other kinds of data override `batch`.

    Attributes:
        inputs: The data of all samples; here the model's input, a tensor [N, ...].
        labels: Class of each sample, int64 [N].
        sample_ids: Position of each sample in the published data set, int64 [N].
    """

    inputs: Any
    labels: Tensor
    sample_ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor) -> tuple[Any, Tensor]:
        """Inputs and labels of the samples at `indices`, on the device of the data.

        Inputs of the training part go through `Dataset.augment` before the model. They may be any object that
        the model accepts. Each row of the logits has one label; in training a sample may have several, such
        as one per node of a tree.
        """
        return self.inputs[indices], self.labels[indices]

    def trained_labels(self) -> Tensor:
        """The labels that its batches have when it is trained on, all of them: of the samples, by default."""
        return self.labels

    def to(self, device: torch.device) -> Split:
        return dataclasses.replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))

    def first(self, number: int) -> Split:
        """The first `number` samples."""
        return dataclasses.replace(
            self,
            inputs=self.inputs[:number],
            labels=self.labels[:number],
            sample_ids=self.sample_ids[:number],
        )

    def chosen(self, indices: Tensor) -> Split:
        """The samples at `indices`, int64 [M], in this order."""
        return dataclasses.replace(
            self,
            inputs=self.inputs[indices],
            labels=self.labels[indices],
            sample_ids=self.sample_ids[indices],
        )

    def followed_by(self, other: Split) -> Split:
        """The samples of this part, then those of another part of the same data set."""
        return dataclasses.replace(
            self,
            inputs=torch.cat([self.inputs, other.inputs]),
            labels=torch.cat([self.labels, other.labels]),
            sample_ids=torch.cat([self.sample_ids, other.sample_ids]),
        )

    def content(self) -> list[Tensor]:
        """All data of this part, for the fingerprint."""
        return [self.inputs, self.labels, self.sample_ids]


class Dataset:
    """Training, validation and test parts. They are fixed: no seed of a trial changes them.

    Attributes:
        num_classes: K.
        training_classes: Number of classes in training; K unless there are more.
        input_shape: Shape of one sample's input, for models that need it; None if it varies.
        word_vectors: Initial values of embeddings, for models that need them; None without words.
        pretrained: Folder of the pretrained network for these inputs, for models that need it; else None.
        measurements: Properties of the data to store in a trial's row.
        held_out: Whether the validation part was drawn from the training samples, and has their form, so that
            the two can be joined and divided anew.
    """

    held_out = True

    def __init__(
        self,
        train: Split,
        validation: Split,
        test: Split,
        num_classes: int,
        input_shape: tuple[int, ...] | None = None,
        *,
        training_classes: int | None = None,
        word_vectors: WordVectors | None = None,
        pretrained: Path | None = None,
        measurements: Mapping[str, float] | None = None,
    ):
        self.train = train
        self.validation = validation
        self.test = test
        self.num_classes = num_classes
        self.training_classes = training_classes or num_classes
        self.input_shape = input_shape
        self.word_vectors = word_vectors
        self.pretrained = pretrained
        self.measurements = dict(measurements or {})

    def redivide(self, train: Split, validation: Split) -> None:
        """Replaces the two parts by a choice of their samples.

        Data sets that scale or number their inputs by the training part do this anew.
        """
        self.train, self.validation = train, validation

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        """Downloads and verifies the files of the data set into `root`, unless they exist.

        Returns:
            Their folder; None if the data set needs no files.

        Raises:
            DataError: Files are unavailable or damaged. The message says what to do by hand.
        """
        return None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over inputs, labels, ids and word vectors: equal data, equal fingerprint."""
        sha = hashlib.sha256()
        tensors = [tensor for split in (self.train, self.validation, self.test) for tensor in split.content()]
        for tensor in tensors + (self.word_vectors.content() if self.word_vectors else []):
            sha.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            sha.update(tensor.cpu().contiguous().numpy().data)
        return sha.hexdigest()

    @property
    def tensors(self) -> list[tuple[int, int]]:
        """Identity and version of each tensor. Equal values mean that no tensor was replaced or changed."""
        held = [self, self.train, self.validation, self.test, self.word_vectors]
        values = [value for part in held if part is not None for value in vars(part).values()]
        return [(id(value), value._version) for value in values if isinstance(value, Tensor)]

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        """Augments the inputs of a training batch at random with `generator`; by default does nothing."""
        return inputs

    def training_share(self, indices: Tensor, generator: torch.Generator, share: slice) -> tuple[Any, Tensor]:
        """Augmented inputs and labels of a slice of a training batch, equal to those in the whole batch.

        Args:
            indices: All samples of the batch, int64 [N].
            generator: For `augment`. Afterwards it is in its state after the whole batch.
            share: The slice.
        """
        if type(self).augment is Dataset.augment:
            return self.train.batch(indices[share])
        # The random numbers of a sample depend on the whole batch.
        inputs, labels = self.train.batch(indices)
        return self.augment(inputs, generator)[share], labels[share]

    def to(self, device: torch.device) -> Dataset:
        """Moves the data to `device`, on which batches are then made and augmented."""
        self.train, self.validation, self.test = (
            split.to(device) for split in (self.train, self.validation, self.test)
        )
        return self


class EvaluationDataset(Dataset):
    """A data set for evaluations only: its training and validation parts are empty.

    The spec of its mark says `has_training_part: False`, so that no trial is trained on it.
    """

    def __init__(self, test: Split, num_classes: int, input_shape: tuple[int, ...] | None = None):
        super().__init__(test.first(0), test.first(0), test, num_classes, input_shape)
