"""The narrow residual network with 32 layers for 32 x 32 images, on which long-tailed CIFAR is measured."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainables.models.wide_resnet import residual
from trainables.registry import register

BLOCKS = 5
STAGES = ((16, 1), (32, 2), (64, 2))
"""Channels of the blocks of each stage, and the stride of its first block."""


@register("resnet32", spec={"input": "image", "image_sizes": [32], "replayable": True})
class ResNet32(nn.Module):
    """ResNet with 32 layers and 16, 32 and 64 channels, for 32 x 32 images: 0.46 million parameters.

    He et al., 'Deep Residual Learning for Image Recognition' (CVPR 2016), section 4.2, with shortcuts without
    parameters (option A). All weights start as in He et al., 'Delving Deep into Rectifiers' (ICCV 2015), also
    those of the last layer: so do those of the network that Cao et al. (NeurIPS 2019) released.

    Args:
        num_classes: K, the width of the logits [N, K].
    """

    def __init__(self, num_classes: int):
        super().__init__()
        channels = STAGES[0][0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        for wide, first_stride in STAGES:
            for stride in (first_stride, *[1] * (BLOCKS - 1)):
                layers.append(PlainBlock(channels, wide, stride))
                channels = wide
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 3, 32, 32]."""
        features: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        logits: Tensor = self.classifier(features)
        return logits


class PlainBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, added to the input, then ReLU.

    The first convolution has the stride. If the shape changes, every second pixel of the input is taken, and
    half of the new channels, all 0, are added before its own, half after.
    """

    def __init__(self, channels: int, wide: int, stride: int):
        super().__init__()
        self.residual = residual(channels, wide, stride)
        self.stride, self.padding = stride, (wide - channels) // 2
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features
        if self.padding:
            shortcut = features[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.padding, self.padding))
        added: Tensor = self.relu(self.residual(features) + shortcut)
        return added
