"""What every data set is: three parts with labels and ids, and batches a model can take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Split:
    """One part of a data set held as tensors; other kinds of data subclass it and override `batch`.

    Attributes:
        inputs: Whatever the model takes, samples first, shape [N, ...].
        labels: Class of each sample, int64 [N].
        sample_ids: Position of each sample in the published data set, int64 [N].
    """

    inputs: Tensor
    labels: Tensor
    sample_ids: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor) -> tuple[Any, Tensor]:
        """Inputs and labels of the samples at `indices`, on the device the data lives on."""
        return self.inputs[indices], self.labels[indices]

    def to(self, device: torch.device) -> Split:
        return Split(self.inputs.to(device), self.labels.to(device), self.sample_ids)


class Dataset:
    """Train, validation and test parts, fixed once and for all: no seed of a trial changes them.

    Attributes:
        num_classes: K.
        input_shape: Shape of one sample's input, given to models that ask for it; None where it varies.
    """

    def __init__(
        self,
        train: Split,
        validation: Split,
        test: Split,
        num_classes: int,
        input_shape: tuple[int, ...] | None = None,
    ):
        self.train = train
        self.validation = validation
        self.test = test
        self.num_classes = num_classes
        self.input_shape = input_shape

    @property
    def fingerprint(self) -> str:
        """SHA-256 over inputs, labels and ids of all three parts: equal data, equal fingerprint."""
        sha = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for tensor in (split.inputs, split.labels, split.sample_ids):
                sha.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
                sha.update(tensor.cpu().contiguous().numpy().tobytes())
        return sha.hexdigest()

    def augment(self, inputs: Any, generator: torch.Generator) -> Any:
        """A training batch's inputs with random changes drawn from `generator`; unchanged by default."""
        return inputs

    def to(self, device: torch.device) -> Dataset:
        """Moves the data to `device`, where batches are then cut and augmented."""
        self.train, self.validation, self.test = (
            split.to(device) for split in (self.train, self.validation, self.test)
        )
        return self
