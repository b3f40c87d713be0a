"""The order of an epoch's samples, one way a file, each marked `@register("name")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.catalogue import SAMPLERS

if TYPE_CHECKING:
    from trainables.samplers.base import Sampler


def build(name: str, **params: Any) -> Sampler:
    """The sampler called `name`.

    Args:
        params: The sampler's own parameters, and what it may ask for by name in its `__init__`: `samples`,
            how many the training part has; `labels`, theirs, on the CPU; `class_counts`, where the task has
            classes.

    Raises:
        ConfigurationError: An unknown name or parameter, with the nearest right one.
    """
    sampler: Sampler = SAMPLERS.build(name, **params)
    return sampler
