"""The learning curves of the papers' analysis (Mukhoti et al., Figures 2, 3 and 10), measured each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

Curves = dict[str, float | None]
"""One epoch's measures. None where there is none, such as the NLL of wrong samples when all are right."""


class ClassificationCurves:
    """Sums over batches, on the device they are on: reading them at the end of an epoch is the only wait.

    Of each sample: negative log-likelihood (nats) and entropy of its softmax (nats), apart for those that
    are classified correctly and wrongly.
    """

    def __init__(self, device: torch.device):
        # Rows: wrong, correct. Columns: count, sum of NLL, of entropy. Double: order matters less.
        self.sums = torch.zeros(2, 3, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor) -> None:
        log_probabilities = functional.log_softmax(logits.detach().float(), dim=1)
        nll = functional.nll_loss(log_probabilities, labels, reduction="none")
        entropy = -(log_probabilities.exp() * log_probabilities).sum(dim=1)
        correct = (logits.argmax(dim=1) == labels).long()
        values = torch.stack([torch.ones_like(nll), nll, entropy], dim=1).double()
        self.sums.index_add_(0, correct, values)

    def read(self, prefix: str) -> Curves:
        """error (fraction), nll and entropy (nats), each over all, correct and wrong samples."""
        wrong, correct = self.sums.tolist()
        both = [a + b for a, b in zip(wrong, correct, strict=True)]

        def mean(sums: list[float], column: int) -> float | None:
            return sums[column] / sums[0] if sums[0] else None

        curves: Curves = {f"{prefix}_error": wrong[0] / both[0]}
        for suffix, sums in (("", both), ("_correct", correct), ("_wrong", wrong)):
            curves[f"{prefix}_nll{suffix}"] = mean(sums, 1)
            curves[f"{prefix}_entropy{suffix}"] = mean(sums, 2)
        return curves


def last_linear(model: nn.Module) -> nn.Linear | None:
    """The layer that gives the logits, if it is linear."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None


class FeatureNorm:
    """Mean L2 norm of the features that enter the last linear layer, over all samples that pass it."""

    def __init__(self, model: nn.Module, device: torch.device):
        self.layer = last_linear(model)
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """While this is open, every forward pass of the model is measured."""
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
