"""The learning curves analysed in the papers (Mukhoti et al., Figures 2, 3 and 10), measured each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Curves = dict[str, Any]
"""The measures of one epoch: numbers, and None where undefined, such as the NLL of wrong samples if all are
right; or nested lists of numbers, such as the sums of bins, of the same shape in all epochs."""


def last_linear(model: nn.Module) -> nn.Linear | None:
    """The layer that computes the logits, if it is linear."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None


class FeatureNorm:
    """Mean L2 norm of the inputs to the last linear layer, over all samples."""

    def __init__(self, model: nn.Module, device: torch.device):
        self.layer = last_linear(model)
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Inside this context, measures every forward pass of the model."""
        if self.layer is None:
            yield
            return
        hook = self.layer.register_forward_pre_hook(self._add)
        try:
            yield
        finally:
            hook.remove()

    def _add(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        norms = inputs[0].detach().float().flatten(0, -2).norm(dim=-1).double()
        self.sums += torch.stack([torch.ones_like(norms).sum(), norms.sum()])

    def read(self) -> Curves:
        count, total = self.sums.tolist()
        weight = None if self.layer is None else self.layer.weight.detach().float().norm().item()
        return {"feature_norm": total / count if count else None, "weight_norm": weight}
