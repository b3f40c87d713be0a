"""ResNets with bottleneck blocks for 32 x 32 and 64 x 64 images."""

from __future__ import annotations

from torch import Tensor, nn

from trainables.registry import register

EXPANSION = 4
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Planes of the blocks of each stage, and the stride of its first block."""


@register("resnet50", spec={"input": "image", "image_sizes": [32], "replayable": True})
def resnet50(num_classes: int) -> ResNet:
    """ResNet-50 with a stem for 32 x 32 images."""
    return ResNet(num_classes, blocks=(3, 4, 6, 3), pool=nn.AvgPool2d(4), pooled_pixels=1)


@register("resnet110", spec={"input": "image", "image_sizes": [32], "replayable": True})
def resnet110(num_classes: int) -> ResNet:
    """ResNet with 110 layers in bottleneck blocks, and a stem for 32 x 32 images.

    Both benchmarks call this network ResNet-110. The ResNet-110 of He et al. for CIFAR is a different one,
    with narrow basic blocks and 1.7 million parameters.
    """
    return ResNet(num_classes, blocks=(3, 4, 26, 3), pool=nn.AvgPool2d(4), pooled_pixels=1)


@register("resnet50_tiny", spec={"input": "image", "image_sizes": [64], "replayable": True})
def resnet50_tiny(num_classes: int) -> ResNet:
    """ResNet-50 with a stem for 64 x 64 images, such as Tiny-ImageNet."""
    return _for_64_pixels(num_classes, blocks=(3, 4, 6, 3))


@register("resnet110_tiny", spec={"input": "image", "image_sizes": [64], "replayable": True})
def resnet110_tiny(num_classes: int) -> ResNet:
    """ResNet with 110 layers in bottleneck blocks, and a stem for 64 x 64 images.

    AdaFocal's table has it on Tiny-ImageNet, but its code is not released. It is derived from `resnet110` as
    `resnet50_tiny` is from `resnet50`.
    """
    return _for_64_pixels(num_classes, blocks=(3, 4, 26, 3))


class ResNet(nn.Module):
    """A 3 x 3 stem of stride 1 without max-pooling, four stages of bottleneck blocks, one linear layer.

    He et al., 'Deep Residual Learning for Image Recognition' (CVPR 2016), with the usual stem for small
    images. torch's default initialisation.

    Args:
        num_classes: K, the width of the logits [N, K].
        blocks: Number of blocks in each of the four stages.
        pool: Pooling of the last feature maps.
        pooled_pixels: Pixels of a feature map after pooling.
    """

    def __init__(
        self, num_classes: int, blocks: tuple[int, int, int, int], pool: nn.Module, pooled_pixels: int
    ):
        super().__init__()
        channels = 64
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        for count, (planes, first_stride) in zip(blocks, STAGES, strict=True):
            for stride in (first_stride, *[1] * (count - 1)):
                layers.append(Bottleneck(channels, planes, stride))
                channels = EXPANSION * planes
        self.blocks = nn.Sequential(*layers)
        self.pool = pool
        self.classifier = nn.Linear(channels * pooled_pixels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 3, H, W]."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))).flatten(1))
        return logits


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions with batch normalisation, added to the input, then ReLU.

    The 3 x 3 convolution has the stride. If the shape changes, the input is projected.
    """

    def __init__(self, channels: int, planes: int, stride: int):
        super().__init__()
        wide = EXPANSION * planes
        self.residual = nn.Sequential(
            nn.Conv2d(channels, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != wide:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wide, 1, stride, bias=False), nn.BatchNorm2d(wide)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.relu(self.residual(features) + self.shortcut(features))
        return added


def _for_64_pixels(num_classes: int, blocks: tuple[int, int, int, int]) -> ResNet:
    # The last feature maps, 8 x 8 pixels, are pooled to 2 x 2, so the linear layer gets 8,192 features.
    network = ResNet(num_classes, blocks, nn.AdaptiveAvgPool2d(2), pooled_pixels=4)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # N(0, 2 / (k k C_out)), as in the released network for 64 pixels, but not in the one for 32.
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
