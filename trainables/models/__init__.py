"""Networks, one family a file, each marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import MODELS

if TYPE_CHECKING:
    from torch import nn

    from trainables.datasets.base import Dataset
    from trainables.trial import Component


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


def build_for(dataset: Dataset, model: Component) -> nn.Module:
    """The network that trains on a data set, with all that the data set has for it.

    Raises:
        ConfigurationError: As `build` does.
    """
    return build(
        model.name,
        dataset.training_classes,
        input_shape=dataset.input_shape,
        word_vectors=dataset.word_vectors,
        pretrained=dataset.pretrained,
        **dict(model.params),
    )
