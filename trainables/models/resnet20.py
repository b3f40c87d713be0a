"""The narrow residual network with 20 layers for 32 x 32 images."""

from __future__ import annotations

from trainables.models.wide_resnet import WideResNet
from trainables.registry import register


@register("resnet20", spec={"input": "image", "image_sizes": [32], "replayable": True})
def resnet20(num_classes: int) -> WideResNet:
    """ResNet with 20 layers and 16, 32 and 64 channels, for 32 x 32 images.

    He et al., 'Deep Residual Learning for Image Recognition' (CVPR 2016), section 4.2, with projections where
    the shape changes. It trains in a minute when `resnet50` takes an hour.
    """
    return WideResNet(num_classes, depth=20, widening=1)
