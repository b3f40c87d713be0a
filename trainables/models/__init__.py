"""Networks, one family per file, each marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import MODELS

if TYPE_CHECKING:
    from torch import nn

    from trainables.datasets.base import Dataset
    from trainables.trial import Component


def build(name: str, /, num_classes: int, **params: Any) -> nn.Module:
    """Builds the network `name`, initialised from torch's global generator.

    Args:
        name: A registered name.
        num_classes: K, the width of the logits.
        params: Parameters of the model, and `input_shape` (of one sample), which is passed only to models
            that declare it.

    Raises:
        ConfigurationError: The name or a parameter is unknown. The message suggests the nearest one.
    """
    model: nn.Module = MODELS.build(name, num_classes=num_classes, **params)
    return model


def build_for(dataset: Dataset, model: Component) -> nn.Module:
    """Builds the network for a data set, with its input shape, word vectors and pretrained weights.

    Raises:
        ConfigurationError: As for `build`.
    """
    return build(
        model.name,
        dataset.training_classes,
        input_shape=dataset.input_shape,
        word_vectors=dataset.word_vectors,
        pretrained=dataset.pretrained,
        **model.arguments(),
    )
