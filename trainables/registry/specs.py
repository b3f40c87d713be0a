"""Specs: facts about a component that must be known without building it, one dataclass per kind.

A mark states them as `@register("name", spec={"input": "image"})`. An unknown entry is refused with the
nearest valid one, and each value is checked against its annotation.
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
    """Spec of a loss.

    Attributes:
        example: Values of parameters without default, for the conformance kit.
        sigmoids: Whether its logits are the logarithms of a sigmoid for each class, which are its
            probabilities against all others.
        softmax: Whether the loss depends on the logits only through their softmax, so that a constant added
            to a sample's logits changes nothing. False for a sigmoid per class or a penalty on logits.
        stop_gradient: Whether the loss treats variable factors as constant (`detach`, `no_grad`). The kit
            then checks the gradient with those factors frozen.
        task: The task whose outputs and targets it takes.
    """

    example: Mapping[str, Any] = field(default_factory=dict)
    sigmoids: bool = False
    softmax: bool = True
    stop_gradient: bool = False
    task: str = "classification"


@dataclass(frozen=True)
class ModelSpec:
    """Spec of a network.

    Attributes:
        input: The kind of sample that it takes, or several kinds; '' for any.
        image_sizes: Side lengths in pixels of the images that it takes; empty for any.
        replayable: Whether its passes can be recorded as CUDA graphs.
        torchvision: Whether it needs torchvision.
        fine_tuned: Whether it starts from pretrained weights.
        tuned_embedding: Whether it has embeddings that a protocol may train with a separate learning rate.
        content: The parameter that names a user's own files, whose content is part of a trial's identity.
        endings: Endings of the names of the files that count; empty for all.
    """

    input: str | tuple[str, ...] = ""
    image_sizes: tuple[int, ...] = ()
    replayable: bool = False
    torchvision: bool = False
    fine_tuned: bool = False
    tuned_embedding: bool = False
    content: str = ""
    endings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetSpec:
    """Spec of a data set.

    Attributes:
        input: The kind of sample, such as 'image' or 'tree'; '' if no model depends on it.
        image_size: Side length in pixels.
        channels: Channels of an image.
        classes: Number of classes.
        samples: Sizes of the training, validation and test part.
        has_training_part: Whether networks can be trained on it; otherwise it is only for `evaluations`.
        classes_of: The data set whose classes it shares, if it is only for evaluations.
        task: The task learnt from it.
        size_from: The parameter that sets the side length, if `image_size` is not fixed.
        content: The parameter that names a user's own files, whose content is part of a trial's identity.
        endings: Endings of the names of the files that count; empty for all.
    """

    input: str = ""
    image_size: int | None = None
    channels: int | None = None
    classes: int | None = None
    samples: tuple[int, int, int] | None = None
    has_training_part: bool = True
    classes_of: str = ""
    task: str = "classification"
    size_from: str = ""
    content: str = ""
    endings: tuple[str, ...] = ()

    @property
    def is_vector(self) -> bool:
        """Whether samples are arrays of real numbers, as images and tables are."""
        return self.input in ("", "image", "table")

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width; None if the mark does not state them."""
        if self.channels is None or self.image_size is None:
            return None
        return self.channels, self.image_size, self.image_size


@dataclass(frozen=True)
class ProtocolSpec:
    """Protocols have no spec: the class itself loads no torch."""


@dataclass(frozen=True)
class MetricSpec:
    """Spec of a metric.

    Attributes:
        title: Its name in tables.
        meaning: Its meaning in words, for captions.
        unit: 'percent' for a fraction that is printed as percent, 'nats', or 'none'.
        direction: Which of two values is better; None for a descriptive metric.
        order_only: Whether it depends only on the order of the classes.
        bins: Whether it takes `bins`.
        at_commit: Whether the rows of the store contain it.
        against_test: Whether it compares the predictions of an evaluation with those on the test set, which
            its function takes as `test_probabilities` [M, K]. It needs no labels, and the test set has none.
        class_counts: Whether its function takes `class_counts`, the number of training labels of each class,
            int64 [K]. It is undefined for predictions of unknown training data.
        one_vs_all: Whether it measures the probability of each class against all others, so that those of a
            sample need not sum to 1. Of a network with a sigmoid for each class, it gets the sigmoids.
        classes: The only number of classes with which it is defined; 0 for any.
        task: The task whose predictions it measures. Only predictions of classification can be calibrated.
        same_up_to: The number of classes up to which it is the same for all networks, as Top-5 accuracy is
            for five: tables leave it out there.
    """

    title: str
    meaning: str
    unit: Literal["percent", "nats", "none"] = "percent"
    direction: Literal["lower", "higher"] | None = None
    order_only: bool = False
    bins: bool = False
    at_commit: bool = False
    against_test: bool = False
    class_counts: bool = False
    one_vs_all: bool = False
    classes: int = 0
    task: str = "classification"
    same_up_to: int = 1


@dataclass(frozen=True)
class CalibratorSpec:
    """Spec of a calibrator.

    Attributes:
        title: Its name in tables.
        symbol: Its short name in headings, such as T in 'pre T' and 'post T'.
        keeps_order: Whether it keeps the order of the classes of each sample, and so the accuracy.
        requires: The extra of calibsweep that it needs; '' for none.
        class_counts: Whether its `__init__` takes `class_counts`, the number of training labels of each
            class, int64 [K]. It cannot be fitted to predictions of unknown training data.
    """

    title: str
    keeps_order: bool
    symbol: str = "cal."
    requires: str = ""
    class_counts: bool = False


@dataclass(frozen=True)
class SamplerSpec:
    """Spec of a sampler.

    Attributes:
        on_features: Whether it has epochs that train the last layer alone, on features.
    """

    on_features: bool = False


@dataclass(frozen=True)
class TaskSpec:
    """Spec of a task.

    Attributes:
        other_evaluations: Whether a trained network can be evaluated on data sets other than its own.
    """

    other_evaluations: bool = False


Spec = TypeVar("Spec")


def read_spec(spec: type[Spec], values: object, place: str) -> Spec:
    """Reads a spec from the mapping in a mark.

    Args:
        place: Location of the mark, for messages.

    Raises:
        ConfigurationError: An entry is unknown, missing or of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{place}: a spec must be a mapping of names to values, not {values!r}.")
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
