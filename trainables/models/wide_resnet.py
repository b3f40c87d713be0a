"""Wide residual networks for 32 x 32 images."""

from __future__ import annotations

from torch import Tensor, nn

from trainables.registry import register

STAGES = ((16, 1), (32, 2), (64, 2))
"""Channels of a stage before widening, and the stride of its first block."""


@register("wide_resnet_26_10", spec={"input": "image", "image_sizes": [32], "replayable": True})
def wide_resnet_26_10(num_classes: int) -> WideResNet:
    """Wide ResNet with 26 layers and widening factor 10, for 32 x 32 images."""
    return WideResNet(num_classes, depth=26, widening=10)


class WideResNet(nn.Module):
    """A 3 x 3 stem, three stages of wide basic blocks, one linear layer; no dropout.

    Zagoruyko and Komodakis, 'Wide Residual Networks' (BMVC 2016), but with ReLU after the sum, as in both
    benchmarks; the original normalises and activates before each convolution. Initialisation: convolutions
    N(0, 2 / (k k C_out)), batch normalisation 1 and 0, the linear layer torch's default.

    Args:
        num_classes: K, the width of the logits [N, K].
        depth: Number of layers, 6 n + 2 for n blocks per stage.
        widening: Factor on the channels of each stage.
    """

    def __init__(self, num_classes: int, depth: int, widening: int):
        super().__init__()
        blocks_per_stage = (depth - 2) // 6
        channels = STAGES[0][0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        for narrow, first_stride in STAGES:
            for stride in (first_stride, *[1] * (blocks_per_stage - 1)):
                layers.append(BasicBlock(channels, narrow * widening, stride))
                channels = narrow * widening
        self.blocks = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d(8)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, 3, 32, 32]."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))).flatten(1))
        return logits


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, added to the input, then ReLU.

    The first convolution has the stride. If the shape changes, the input is projected.
    """

    def __init__(self, channels: int, planes: int, stride: int):
        super().__init__()
        self.residual = residual(channels, planes, stride)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.relu(self.residual(features) + self.shortcut(features))
        return added


def residual(channels: int, planes: int, stride: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch normalisation, ReLU between them; the first has the stride."""
    return nn.Sequential(
        nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(planes),
        nn.ReLU(inplace=True),
        nn.Conv2d(planes, planes, 3, padding=1, bias=False),
        nn.BatchNorm2d(planes),
    )
