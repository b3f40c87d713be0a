"""Networks, one family a file, each marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import MODELS

if TYPE_CHECKING:
    from torch import nn


def build(name: str, num_classes: int, **params: Any) -> nn.Module:
    """The network called `name`, freshly initialised from torch's global generator.

    Args:
        params: The model's own parameters, and `input_shape` (of one sample), which models that need none
            are not given.

    Raises:
        ConfigurationError: An unknown name or parameter, with the nearest right one.
    """
    model: nn.Module = MODELS.build(name, num_classes=num_classes, **params)
    return model
