"""Specs: the facts about a component that must be known without building it, a dataclass per kind.

A mark gives them as `@register("name", spec={"input": "image"})`. A misspelt entry is refused with the
nearest right one, and each value is checked against its annotation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from trainables.errors import ConfigurationError
from trainables.texts import closest
from trainables.values import coerced


@dataclass(frozen=True)
class LossSpec:
    """About a loss.

    Attributes:
        example: Values for parameters without default, for the conformance kit.
        softmax: Whether the loss depends on the logits only through their softmax, so that a constant added
            to a sample's logits changes nothing. False for a sigmoid per class or a penalty on logits.
        stop_gradient: Whether the loss holds factors constant (`detach`, `no_grad`) that are not constant.
            The kit then checks the gradient with those factors frozen.
        task: The task whose outputs and targets it takes.
    """

    example: Mapping[str, Any] = field(default_factory=dict)
    softmax: bool = True
    stop_gradient: bool = False
    task: str = "classification"


@dataclass(frozen=True)
class ModelSpec:
    """About a network.

    Attributes:
        input: The kind of sample that it takes; '' for any.
        image_sizes: Pixels a side of the images that it takes; none for any.
        replayable: Whether its passes can be recorded as CUDA graphs.
        torchvision: Whether it needs torchvision.
        fine_tuned: Whether it starts from pretrained weights.
        tuned_embedding: Whether it has embeddings that a protocol may train at a rate of their own.
    """

    input: str = ""
    image_sizes: tuple[int, ...] = ()
    replayable: bool = False
    torchvision: bool = False
    fine_tuned: bool = False
    tuned_embedding: bool = False


@dataclass(frozen=True)
class DatasetSpec:
    """About a data set.

    Attributes:
        input: The kind of sample, such as 'image' or 'tree'; '' where no model needs to be told.
        image_size: Pixels a side.
        channels: Of an image.
        classes: Number of classes.
        samples: Of the training, validation and test part.
        evaluation_only: Whether it has no training part.
        classes_of: The data set whose classes it shares, where it is there to be evaluated on.
        task: What is learnt from it.
    """

    input: str = ""
    image_size: int | None = None
    channels: int | None = None
    classes: int | None = None
    samples: tuple[int, int, int] | None = None
    evaluation_only: bool = False
    classes_of: str = ""
    task: str = "classification"

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width; None where the mark does not tell them."""
        if self.channels is None or self.image_size is None:
            return None
        return self.channels, self.image_size, self.image_size


@dataclass(frozen=True)
class ProtocolSpec:
    """A protocol has no spec yet: the class itself loads no torch."""


@dataclass(frozen=True)
class MetricSpec:
    """About a metric.

    Attributes:
        title: Its name in tables.
        meaning: In words, for captions.
        unit: 'percent' for a fraction that is printed as percent, 'nats', or 'none'.
        direction: Which of two values is better; None for a metric that describes and does not judge.
        order_only: Whether it depends on the order of the classes alone.
        bins: Whether it takes `bins`.
        at_commit: Whether the row of a trial carries it.
        task: The task whose predictions it measures. Those of classification alone can be calibrated.
    """

    title: str
    meaning: str
    unit: Literal["percent", "nats", "none"] = "percent"
    direction: Literal["lower", "higher"] | None = None
    order_only: bool = False
    bins: bool = False
    at_commit: bool = False
    task: str = "classification"


@dataclass(frozen=True)
class CalibratorSpec:
    """About a calibrator.

    Attributes:
        title: Its name in tables.
        symbol: Its short name in headings, as T in 'pre T' and 'post T'.
        keeps_order: Whether it keeps the order of the classes of each sample, and so the accuracy.
        requires: The extra of calibsweep that it needs; '' for none.
    """

    title: str
    keeps_order: bool
    symbol: str = "cal."
    requires: str = ""


@dataclass(frozen=True)
class SamplerSpec:
    """A sampler has no spec yet."""


@dataclass(frozen=True)
class TaskSpec:
    """About a task.

    Attributes:
        scores_other_sets: Whether a trained network can be scored on data sets that it was not trained for.
    """

    scores_other_sets: bool = False


Spec = TypeVar("Spec")


def read_spec(spec: type[Spec], values: object, place: str) -> Spec:
    """The spec that a mark's mapping gives.

    Args:
        place: Where the mark stands, for messages.

    Raises:
        ConfigurationError: An entry that is unknown, missing or of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{place}: a spec is a mapping of names to values, not {values!r}.")
    fields = {f.name: f for f in dataclasses.fields(spec)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            hint = closest(str(name), fields) if fields else " It has no entries."
            raise ConfigurationError(f"{place}: the spec has no entry {name!r}.{hint}")
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigurationError(f"{place}: the spec needs {name!r}.")
    return spec(
        **{name: _value(value, str(fields[name].type), place, name) for name, value in values.items()}
    )


def _value(value: object, annotation: str, place: str, name: str) -> object:
    if annotation.startswith("Mapping"):
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{place}: {name} must be a mapping of names to values, not {value!r}.")
        return dict(value)
    return coerced(value, annotation, f"{place}: {name}")
