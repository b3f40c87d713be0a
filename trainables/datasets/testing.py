"""The conformance kit of data sets. It reads the data, which must be there."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar

import torch

from trainables import datasets, tasks
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset, Split
from trainables.testing import Conformance


class DatasetConformance(Conformance):
    """What training, evaluation and the store ask of a data set.

    Attributes:
        root: The folder of the data sets; the usual one without it.
    """

    registry = DATASETS
    root: ClassVar[str | Path | None] = None

    @functools.cached_property
    def dataset(self) -> Dataset:
        return self.load()

    def load(self) -> Dataset:
        return datasets.load(self.entry.name, self.root, **self.params)

    @property
    def parts(self) -> dict[str, Split]:
        found = {"test": self.dataset.test}
        if self.entry.spec.has_training_part:
            found.update(train=self.dataset.train, validation=self.dataset.validation)
        return found

    def test_parts(self) -> None:
        """Each part has samples, each with an id of its own; test and training part share none."""
        for name, part in self.parts.items():
            assert len(part) > 0, f"the {name} part is empty"
            assert len(part.sample_ids) == len(part) == len(set(part.sample_ids.tolist())), name

    def test_labels(self) -> None:
        """In classification labels are int64 from 0 to K - 1, or -1 in the test part for no class."""
        if self.entry.spec.task != tasks.DEFAULT:
            return
        for name, part in self.parts.items():
            least = -1 if name == "test" and not self.entry.spec.has_training_part else 0
            assert part.labels.dtype == torch.int64, name
            assert least <= int(part.labels.min()) <= int(part.labels.max()) < self.dataset.num_classes, name

    def test_batch(self) -> None:
        """A batch has the labels of the samples that it is asked for, and as often as asked."""
        part = self.parts.get("validation", self.dataset.test)
        indices = torch.tensor([len(part) - 1, 0, 0])
        _, labels = part.batch(indices)
        if len(labels) == len(indices):
            assert torch.equal(labels, part.labels[indices])

    def test_fingerprint(self) -> None:
        """Loaded again, it has the same fingerprint: no part of it depends on a seed of the process."""
        torch.manual_seed(1)
        assert self.load().fingerprint == self.dataset.fingerprint

    def test_spec(self) -> None:
        """The spec of the mark matches the data."""
        spec, data = self.entry.spec, self.dataset
        if spec.samples is not None:
            assert spec.samples == (len(data.train), len(data.validation), len(data.test))
        if spec.classes is not None:
            assert spec.classes == data.num_classes
        if spec.image_shape is not None:
            assert spec.image_shape == data.input_shape
