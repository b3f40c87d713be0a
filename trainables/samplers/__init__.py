"""Samplers, one file each, marked `@register("name")`. They choose the order of an epoch's samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainables.catalogue import SAMPLERS

if TYPE_CHECKING:
    from trainables.datasets.base import Split
    from trainables.samplers.base import Sampler
    from trainables.trial import Component


def build(name: str, **params: Any) -> Sampler:
    """The sampler called `name`.

    Args:
        params: The sampler's own parameters, and the context that its `__init__` may name: `samples`, the
            size of the training part; `labels`, its labels on the CPU; `class_counts`, if the task has
            classes.

    Raises:
        ConfigurationError: The name or a parameter is unknown; the message names the nearest valid one.
    """
    sampler: Sampler = SAMPLERS.build(name, **params)
    return sampler


def of_part(sampler: Component, part: Split, context: Mapping[str, Any]) -> Sampler:
    """The sampler of a training part. Raises like `build`.

    Args:
        context: Of the task.
    """
    whole = {**context, "samples": len(part), "labels": part.labels.cpu()}
    return build(sampler.name, **dict(sampler.params), **whole)
