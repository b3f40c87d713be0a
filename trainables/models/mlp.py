"""A multi-layer perceptron for tables, small images and quick experiments."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from trainables.registry import register


@register("mlp", spec={"input": ["image", "table"]})
class MultiLayerPerceptron(nn.Module):
    """Fully connected layers with ReLU over the flattened input.

    Args:
        num_classes: K, the width of the logits [N, K].
        input_shape: Shape of one sample's input: channels, height and width of an image.
        hidden: Units of each hidden layer.
        layers: Number of hidden layers.
    """

    def __init__(self, num_classes: int, input_shape: tuple[int, ...], hidden: int = 128, layers: int = 2):
        super().__init__()
        widths = [math.prod(input_shape)] + [hidden] * layers
        hidden_layers = [
            layer
            for narrow, wide in itertools.pairwise(widths)
            for layer in (nn.Linear(narrow, wide), nn.ReLU())
        ]
        self.features = nn.Sequential(nn.Flatten(), *hidden_layers)
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, K] of inputs [N, ...]."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits
