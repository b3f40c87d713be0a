"""Multinomial logistic regression, for tables and small images."""

from __future__ import annotations

import math

from torch import Tensor, nn

from trainables.registry import register


@register("logistic_regression", spec={"input": ["table", "image"]})
class LogisticRegression(nn.Module):
    """One linear layer over the flattened input. `training.weight_decay` is its L2 penalty.

    Args:
        num_classes: K, the width of the logits [N, K].
        input_shape: Shape of one sample's input.
    """

    def __init__(self, num_classes: int, input_shape: tuple[int, ...]):
        super().__init__()
        self.classifier = nn.Linear(math.prod(input_shape), num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, K] of inputs [N, ...]."""
        logits: Tensor = self.classifier(inputs.flatten(1))
        return logits
