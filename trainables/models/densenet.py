"""Densely connected networks for 32 x 32 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.registry import register

BOTTLENECK = 4
"""Channels between a layer's two convolutions, in multiples of the growth."""


@register("densenet121", spec={"input": "image", "image_sizes": [32], "replayable": True})
def densenet121(num_classes: int) -> DenseNet:
    """DenseNet-121 with growth 32 and a stem for 32 x 32 images."""
    return DenseNet(num_classes, blocks=(6, 12, 24, 16), growth=32)


class DenseNet(nn.Module):
    """A plain 3 x 3 convolution, dense blocks with transitions between them, one linear layer; no dropout.

    Huang et al., 'Densely Connected Convolutional Networks' (CVPR 2017), with bottlenecks, compression by
    half, and the usual stem for small images. torch's default initialisation.

    Args:
        num_classes: K, the width of the logits [N, K].
        blocks: Layers of each dense block.
        growth: Channels that each layer adds.
    """

    def __init__(self, num_classes: int, blocks: tuple[int, ...], growth: int):
        super().__init__()
        channels = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
        for index, count in enumerate(blocks):
            if index > 0:
                layers.append(_transition(channels, channels // 2))
                channels //= 2
            layers += [DenseLayer(channels + growth * i, growth) for i in range(count)]
            channels += growth * count
        self.features = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AvgPool2d(4))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 3, 32, 32]."""
        logits: Tensor = self.classifier(self.pool(self.features(images)).flatten(1))
        return logits


class DenseLayer(nn.Module):
    """1 x 1 and 3 x 3 convolutions, each after batch normalisation and ReLU.

    In the output their channels come before those of the input.
    """

    def __init__(self, channels: int, growth: int):
        super().__init__()
        self.new = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, BOTTLENECK * growth, 1, bias=False),
            nn.BatchNorm2d(BOTTLENECK * growth),
            nn.ReLU(inplace=True),
            nn.Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.new(features), features], dim=1)


def _transition(channels: int, fewer: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, fewer, 1, bias=False),
        nn.AvgPool2d(2),
    )
