"""A convolutional network small enough for a CPU."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from trainables.registry import register


@register("small_cnn", spec={"input": "image", "replayable": True})
class SmallCNN(nn.Module):
    """Three 3 x 3 convolutions with batch normalisation and ReLU, pooled after the first two.

    Args:
        num_classes: K, the width of the logits [N, K].
        input_shape: Channels, height and width of an image.
        channels: Channels of the first convolution; the others have twice as many.
    """

    def __init__(self, num_classes: int, input_shape: tuple[int, ...], channels: int = 16):
        super().__init__()
        widths = (input_shape[0], channels, 2 * channels, 2 * channels)
        blocks: list[nn.Module] = []
        for index, (narrow, wide) in enumerate(itertools.pairwise(widths)):
            blocks += [nn.Conv2d(narrow, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
            if index < 2:
                blocks.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.classifier = nn.Linear(4 * widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, C, H, W]."""
        logits: Tensor = self.classifier(self.features(images))
        return logits
