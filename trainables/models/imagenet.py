"""torchvision's networks for ImageNet, with random initial weights."""

from __future__ import annotations

from torch import nn
from torchvision import models

from trainables.registry import register


@register("resnet50_imagenet", spec={"input": "image", "image_sizes": [224], "torchvision": True})
def resnet50_imagenet(num_classes: int) -> nn.Module:
    """torchvision's ResNet-50, for 224 x 224 images."""
    network: nn.Module = models.resnet50(weights=None, num_classes=num_classes)
    return network


@register("resnet110_imagenet", spec={"input": "image", "image_sizes": [224], "torchvision": True})
def resnet110_imagenet(num_classes: int) -> nn.Module:
    """torchvision's ResNet with the blocks of `resnet110`, for 224 x 224 images.

    AdaFocal's table has a ResNet-110 on ImageNet, where no network of that depth is usual, and its code is
    not released. Using the block counts of the ResNet-110 for small images is this project's choice.
    """
    network: nn.Module = models.ResNet(models.resnet.Bottleneck, [3, 4, 26, 3], num_classes=num_classes)
    return network


@register("densenet121_imagenet", spec={"input": "image", "image_sizes": [224], "torchvision": True})
def densenet121_imagenet(num_classes: int) -> nn.Module:
    """torchvision's DenseNet-121, for 224 x 224 images."""
    network: nn.Module = models.densenet121(weights=None, num_classes=num_classes)
    return network
