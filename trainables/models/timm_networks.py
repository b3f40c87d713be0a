"""Any classifier of timm, by its name."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from trainables.errors import ConfigurationError
from trainables.models.own_weights import check_images, load_weights
from trainables.registry import register
from trainables.texts import closest


@register("timm", spec={"input": "image", "torchvision": True, "content": "weights"})
def timm(num_classes: int, input_shape: tuple[int, ...], name: str, weights: str | None = None) -> nn.Module:
    """One of timm's classifiers (Wightman, 2019), with random initial weights or those of a local file.

    Its last layer has the classes of the data set, and always random initial weights.

    Args:
        num_classes: K, the width of the logits [N, K].
        input_shape: Channels, height and width of an image.
        name: Its name in timm.
        weights: A file of weights, safetensors or a state dict. Nothing is downloaded. A trial's identity has
            a digest of the file instead of its path.

    Raises:
        ConfigurationError: The package timm is missing, has no such network, or it does not take such images.
        DataError: The weights cannot be read, or are not those of this network.
    """
    try:
        from timm import create_model, list_models
    except ImportError as error:
        raise ConfigurationError(
            f"the network {name} needs the package timm: pip install 'calibsweep[timm]'."
        ) from error
    names = list_models()
    if name not in names:
        raise ConfigurationError(f"model 'timm': unknown name {name!r}.{closest(name, names)}")
    network: nn.Module = create_model(
        name, pretrained=False, num_classes=num_classes, in_chans=input_shape[0]
    )
    check_images(network, name, input_shape, num_classes)
    if weights is not None:
        load_weights(network, Path(weights))
    return network
