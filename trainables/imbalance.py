"""The long-tailed form of a data set: its parameters, and the number of samples of each class.

Loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainables.errors import ConfigurationError
from trainables.registry.common import Common
from trainables.registry.entries import REQUIRED, Parameter
from trainables.registry.specs import DatasetSpec

OFF = ""
EXPONENTIAL, STEP = "exponential", "step"
LONGTAIL, BALANCED = "longtail", "balanced"
PARAMETERS = {
    "imbalance": Parameter(f"Literal[{OFF!r}, {EXPONENTIAL!r}, {STEP!r}]", OFF),
    "factor": Parameter("float", REQUIRED),
    "validation_form": Parameter(f"Literal[{LONGTAIL!r}, {BALANCED!r}]", LONGTAIL),
}


def in_use(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the form; none if it is off.

    Raises:
        ConfigurationError: `factor` is missing or below 1, or a parameter is given while the form is off.
    """
    if given.get("imbalance", OFF) == OFF:
        for name in PARAMETERS:
            if name != "imbalance" and name in given:
                raise ConfigurationError(
                    f"{where}: {name} needs imbalance: {EXPONENTIAL} or imbalance: {STEP}."
                )
        return {}
    if "factor" not in given:
        raise ConfigurationError(
            f"{where} needs a value for 'factor' with imbalance: {given['imbalance']}, such as 100."
        )
    if given["factor"] < 1:
        raise ConfigurationError(f"{where}: factor must be at least 1, not {given['factor']:g}.")
    return {"validation_form": LONGTAIL, **given}


def taken_by(spec: DatasetSpec) -> bool:
    """Whether a data set has this form: one class for each sample, and a training part."""
    return spec.task == "classification" and spec.input != "tree" and spec.has_training_part


COMMON = Common(PARAMETERS, taken_by, in_use, "trainables.datasets.long_tail:in_form")


def class_sizes(form: str, factor: float, largest: int, classes: int) -> list[int]:
    """Samples of each class, in the order of the classes.

    'exponential': int(n_max * factor^(-k / (K - 1))), as for CIFAR-LT (Cui et al., CVPR 2019). 'step': n_max
    in the first K // 2 classes and int(n_max / factor) in the others (Buda et al., Neural Networks 2018).

    Args:
        form: 'exponential' or 'step'.
        factor: Size of the largest class over that of the smallest, at least 1.
        largest: n_max, samples of the first class.
        classes: K, at least 2.
    """
    share = _share(form, factor, classes)
    return [int(largest * share(k)) for k in range(classes)]


def largest_of(form: str, factor: float, available: Sequence[int]) -> int:
    """n_max: the largest number with which each class has enough samples.

    Args:
        available: Samples of each class.
    """
    share = _share(form, factor, len(available))
    largest = min(math.ceil((number + 1) / share(k)) - 1 for k, number in enumerate(available))
    while any(
        size > number
        for size, number in zip(class_sizes(form, factor, largest, len(available)), available, strict=True)
    ):
        largest -= 1  # The quotient above was rounded up.
    return largest


def validation_sizes(sizes: Sequence[int], share: float) -> list[int]:
    """Validation samples of each class: its share, but at least one, and all but one at most."""
    return [min(max(1, round(share * size)), size - 1) for size in sizes]


def part_sizes(samples: tuple[int, int, int], classes: int, form: Mapping[str, Any]) -> tuple[int, int, int]:
    """Sizes of the parts of a data set with equally frequent classes in this form.

    Args:
        samples: Sizes of its three parts without the form.
        form: The result of `in_use`.
    """
    training, validation, test = samples
    available = (training + validation) // classes
    sizes = class_sizes(form["imbalance"], form["factor"], available, classes)
    held_out = validation_sizes(sizes, validation / (training + validation))
    balanced = form["validation_form"] == BALANCED
    return sum(sizes) - sum(held_out), classes * held_out[0] if balanced else sum(held_out), test


def _share(form: str, factor: float, classes: int) -> Callable[[int], float]:
    if form == STEP:
        return lambda k: 1.0 if k < classes // 2 else 1 / factor
    return lambda k: float(factor ** (-k / (classes - 1)))
