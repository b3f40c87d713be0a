"""The conformance kit of networks."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.catalogue import MODELS
from trainables.testing import CLASSES, Conformance

BATCH = 3


class ModelConformance(Conformance):
    """What training asks of a network.

    Attributes:
        shape: Of one input, where the mark does not tell the size of its images: 32 x 32 in colour.
    """

    registry = MODELS
    shape: ClassVar[tuple[int, ...] | None] = None

    def inputs(self) -> Any:
        """A batch of three inputs; of what is no image a subclass gives its own."""
        return torch.randn(BATCH, *self.input_shape, generator=torch.Generator().manual_seed(0))

    @property
    def input_shape(self) -> tuple[int, ...]:
        side = (self.entry.spec.image_sizes or (32,))[0]
        return self.shape or (3, side, side)

    def network(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        network: nn.Module = self.build(num_classes=CLASSES, input_shape=self.input_shape)
        return network

    def outputs(self, network: nn.Module) -> Tensor:
        logits: Tensor = network(self.inputs())
        return logits

    def test_logits(self) -> None:
        """A batch gives logits, float32 [N, K], all finite."""
        logits = self.outputs(self.network().eval())
        assert logits.shape == (BATCH, CLASSES) and logits.dtype == torch.float32
        assert logits.isfinite().all()

    def test_seed(self) -> None:
        """Weights come from torch's global generator and nothing else."""
        first, again, other = (self.network(seed).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(first[name], again[name]) for name in first)
        assert any(not torch.equal(first[name], other[name]) for name in first)

    def test_gradient(self) -> None:
        """The gradient of a loss reaches every parameter, and is finite."""
        network = self.network().train()
        torch.autograd.backward(self.outputs(network).square().sum())
        missed = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
        assert not missed, f"no gradient reaches {missed}"
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)

    def test_evaluation(self) -> None:
        """In evaluation a network changes nothing of itself, and draws nothing at random."""
        network = self.network().eval()
        before = copy.deepcopy(network.state_dict())
        with torch.no_grad():
            assert torch.equal(self.outputs(network), self.outputs(network))
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

    def test_state(self) -> None:
        """A new network that loads `state_dict()` gives the same logits."""
        network, other = self.network(0).eval(), self.network(1).eval()
        other.load_state_dict(network.state_dict())
        with torch.no_grad():
            assert torch.equal(self.outputs(network), self.outputs(other))
