"""What every data set is: three parts with labels and ids, and batches a model can take."""

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
    """One part of a data set held as tensors; other kinds of data subclass it and override `batch`.

    Attributes:
        inputs: What batches are made of; here what the model takes, samples first, a tensor [N, ...].
        labels: Class of each sample, int64 [N].
        sample_ids: Position of each sample in the published data set, int64 [N].
    """

    inputs: Any
    labels: Tensor
    sample_ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor) -> tuple[Any, Tensor]:
        """Inputs and labels of the samples at `indices`, on the device the data lives on.

        Those of the training part go through `Dataset.augment` before a model takes them. Inputs may be any
        object that the model understands. There is one label for each row of the logits that it then gives:
        in training that may be several a sample, such as one for each node of a tree.
        """
        return self.inputs[indices], self.labels[indices]

    def trained_labels(self) -> Tensor:
        """The labels that its batches have when it is trained on, all of them: of the samples, by default."""
        return self.labels

    def to(self, device: torch.device) -> Split:
        return dataclasses.replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))

    def first(self, number: int) -> Split:
        """The first samples alone."""
        return dataclasses.replace(
            self,
            inputs=self.inputs[:number],
            labels=self.labels[:number],
            sample_ids=self.sample_ids[:number],
        )

    def content(self) -> list[Tensor]:
        """All that makes this part what it is, for the fingerprint."""
        return [self.inputs, self.labels, self.sample_ids]


class Dataset:
    """Train, validation and test parts, fixed once and for all: no seed of a trial changes them.

    Attributes:
        num_classes: K.
        training_classes: Classes among the labels that are trained on, K unless there are more.
        input_shape: Shape of one sample's input, given to models that ask for it; None where it varies.
        word_vectors: What embeddings start from, given to models that ask for it; None where there are no
            words.
        pretrained: Folder of the pretrained network that the inputs were made for, given to models that ask
            for it; None where there is none.
        measurements: Facts about the data that belong beside a trial's scores.
    """

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

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        """Brings the files that the data set is read from under `root`, whole and verified.

        Does nothing where they are there already. Returns where they are, None where none are needed.

        Raises:
            DataError: Files that cannot be had or are damaged, and what to do by hand.
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
        """Which tensors this holds and how often each was changed in place: equal where it is as it was."""
        held = [self, self.train, self.validation, self.test, self.word_vectors]
        values = [value for part in held if part is not None for value in vars(part).values()]
        return [(id(value), value._version) for value in values if isinstance(value, Tensor)]

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        """A training batch's inputs with random changes drawn from `generator`; unchanged by default."""
        return inputs

    def training_share(self, indices: Tensor, generator: torch.Generator, share: slice) -> tuple[Any, Tensor]:
        """Augmented inputs and labels of a slice of a training batch, as they are in the whole batch.

        Args:
            indices: All samples of the batch, int64 [N].
            generator: As `augment` takes it; is then where it would be after the whole batch.
        """
        if type(self).augment is Dataset.augment:
            return self.train.batch(indices[share])
        # What is drawn for a sample depends on the whole batch.
        inputs, labels = self.train.batch(indices)
        return self.augment(inputs, generator)[share], labels[share]

    def to(self, device: torch.device) -> Dataset:
        """Moves the data to `device`, where batches are then cut and augmented."""
        self.train, self.validation, self.test = (
            split.to(device) for split in (self.train, self.validation, self.test)
        )
        return self


class EvaluationOnly(Dataset):
    """A data set for tests out of distribution: its training and validation parts are empty.

    Its mark carries the fact `evaluation_only`: a trial cannot be trained on it.
    """

    def __init__(self, test: Split, num_classes: int, input_shape: tuple[int, ...] | None = None):
        super().__init__(test.first(0), test.first(0), test, num_classes, input_shape)
