"""The conformance kit of samplers."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.catalogue import SAMPLERS
from trainables.datasets.base import Split
from trainables.testing import CLASSES, Conformance

SAMPLES = 101


class SamplerConformance(Conformance):
    """The requirements of training on a sampler."""

    registry = SAMPLERS

    def epoch(self, seed: int) -> Tensor:
        labels = torch.arange(SAMPLES) % CLASSES * (torch.arange(SAMPLES) % 3) % CLASSES
        counts = torch.bincount(labels, minlength=CLASSES)
        sampler = self.build(samples=SAMPLES, labels=labels, class_counts=counts)
        sampler.on_epoch_start(3, 10)
        inputs = torch.arange(SAMPLES * 3.0).cos().reshape(SAMPLES, 3)
        part = Split(inputs, labels, torch.arange(SAMPLES))
        self.part = sampler.training_part(part, torch.Generator().manual_seed(7))
        first = sampler.first_epoch_on_features(10)
        assert (first is not None) == self.entry.spec.on_features, "the mark's on_features is wrong"
        assert first is None or 0 <= first < 10
        if first is not None:
            self.part = sampler.features(self.part, torch.Generator().manual_seed(7))
        positions: Tensor = sampler.epoch(torch.Generator().manual_seed(seed))
        return positions

    def test_positions(self) -> None:
        """An epoch is a list of positions in the training part, int64 on the CPU, not empty."""
        positions = self.epoch(0)
        assert positions.dtype == torch.int64 and positions.dim() == 1 and len(positions) > 0
        assert positions.device.type == "cpu"
        assert int(positions.min()) >= 0 and int(positions.max()) < len(self.part)

    def test_generator(self) -> None:
        """An epoch depends only on generator and number: a resumed trial continues with the same samples."""
        torch.manual_seed(1)
        first = self.epoch(5)
        torch.manual_seed(2)
        assert torch.equal(first, self.epoch(5))

    def test_training_part(self) -> None:
        """New samples, if any, have an id of their own and follow from the generator alone."""
        torch.manual_seed(1)
        self.epoch(0)
        first = self.part
        torch.manual_seed(2)
        self.epoch(0)
        assert all(torch.equal(*both) for both in zip(first.content(), self.part.content(), strict=True))
        assert len(first.sample_ids.unique()) == len(first) == len(first.inputs)

    def test_epochs_differ(self) -> None:
        """Two epochs have different orders."""
        assert not torch.equal(self.epoch(0), self.epoch(1))
