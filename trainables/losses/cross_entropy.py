"""Cross-entropy: the negative logarithm of the true class's probability."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from trainables.losses.base import Loss
from trainables.registry import register


@register("cross_entropy")
class CrossEntropy(Loss):
    """-log p_y, with p = softmax(logits)."""

    def per_sample(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, reduction="none")
