"""Any classifier of torchvision, by its name."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torchvision import models

from trainables.errors import ConfigurationError
from trainables.models.own_weights import check_images, load_weights
from trainables.registry import register

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Further outputs of GoogLeNet and Inception, which are not built."""


@register("torchvision", spec={"input": "image", "torchvision": True, "content": "weights"})
def torchvision(
    num_classes: int,
    input_shape: tuple[int, ...],
    name: Literal[
        "alexnet",
        "convnext_base",
        "convnext_large",
        "convnext_small",
        "convnext_tiny",
        "densenet121",
        "densenet161",
        "densenet169",
        "densenet201",
        "efficientnet_b0",
        "efficientnet_b1",
        "efficientnet_b2",
        "efficientnet_b3",
        "efficientnet_b4",
        "efficientnet_b5",
        "efficientnet_b6",
        "efficientnet_b7",
        "efficientnet_v2_l",
        "efficientnet_v2_m",
        "efficientnet_v2_s",
        "googlenet",
        "inception_v3",
        "maxvit_t",
        "mnasnet0_5",
        "mnasnet0_75",
        "mnasnet1_0",
        "mnasnet1_3",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "regnet_x_16gf",
        "regnet_x_1_6gf",
        "regnet_x_32gf",
        "regnet_x_3_2gf",
        "regnet_x_400mf",
        "regnet_x_800mf",
        "regnet_x_8gf",
        "regnet_y_128gf",
        "regnet_y_16gf",
        "regnet_y_1_6gf",
        "regnet_y_32gf",
        "regnet_y_3_2gf",
        "regnet_y_400mf",
        "regnet_y_800mf",
        "regnet_y_8gf",
        "resnet101",
        "resnet152",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnext101_32x8d",
        "resnext101_64x4d",
        "resnext50_32x4d",
        "shufflenet_v2_x0_5",
        "shufflenet_v2_x1_0",
        "shufflenet_v2_x1_5",
        "shufflenet_v2_x2_0",
        "squeezenet1_0",
        "squeezenet1_1",
        "swin_b",
        "swin_s",
        "swin_t",
        "swin_v2_b",
        "swin_v2_s",
        "swin_v2_t",
        "vgg11",
        "vgg11_bn",
        "vgg13",
        "vgg13_bn",
        "vgg16",
        "vgg16_bn",
        "vgg19",
        "vgg19_bn",
        "vit_b_16",
        "vit_b_32",
        "vit_h_14",
        "vit_l_16",
        "vit_l_32",
        "wide_resnet101_2",
        "wide_resnet50_2",
    ],
    weights: str | None = None,
) -> nn.Module:
    """One of torchvision's classifiers, with random initial weights or those of a local file.

    Its last layer has the classes of the data set, and always random initial weights. Vision transformers are
    built for the size of the images.

    Args:
        num_classes: K, the width of the logits [N, K].
        input_shape: Channels, height and width of an image.
        name: Its name in torchvision.
        weights: A file of weights, such as those that torchvision's documentation links. Nothing is
            downloaded. A trial's identity has a digest of the file instead of its path.

    Raises:
        ConfigurationError: The network does not take images of this shape.
        DataError: The weights cannot be read, or are not those of this network.
    """
    given: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        given = {"aux_logits": False, "init_weights": True}
    elif name.startswith("vit_"):
        given = {"image_size": input_shape[-1]}
    elif name == "maxvit_t":
        given = {"input_size": tuple(input_shape[1:])}
    try:
        # RegNet computes its widths with tensors, which the meta device cannot.
        with torch.device("cpu") if name.startswith("regnet") else nullcontext():
            network: nn.Module = models.get_model(name, weights=None, num_classes=num_classes, **given)
        network.to(torch.get_default_device())
    except (AssertionError, ValueError, RuntimeError) as error:
        # Transformers divide the image into patches when they are built.
        size = " x ".join(map(str, input_shape))
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigurationError(f"{name} does not take images of {size}: {reason}.") from error
    check_images(network, name, input_shape, num_classes)
    if weights is not None:
        load_weights(network, Path(weights), AUXILIARY)
    return network
