"""The space of a search: parameters with a range or a choice of values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.fields import several_values
from trainables.errors import ConfigurationError
from trainables.registry import Parameter, closest
from trainables.trial import canonical_json

DIGITS = 4
"""Significant digits of a value from a range: enough for any effect, few enough to be read."""

RANGE = ("low", "high", "log", "step")
"""Keys of a range in a file."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        log: Whether the logarithm of the value is searched.
        step: Distance between neighbouring values; None for all numbers.
        whole: Whether only whole numbers are valid.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def value(self, suggested: float) -> float | int:
        """A suggested number in the form in which a trial has it."""
        if self.whole:
            return int(suggested)
        return min(max(float(f"{suggested:.{DIGITS}g}"), self.low), self.high)

    def __str__(self) -> str:
        more = ", logarithm" if self.log else f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{more}"

    @property
    def ends(self) -> Iterator[float | int]:
        yield from (int(end) if self.whole else end for end in (self.low, self.high))


@dataclass(frozen=True)
class Choice:
    """Some values of any kind, by their texts."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, values: list[Any]) -> Choice:
        return cls({value if isinstance(value, str) else canonical_json(value): value for value in values})

    def value(self, suggested: str) -> Any:
        """The value with a suggested text."""
        return self.values[suggested]

    def __str__(self) -> str:
        return ", ".join(self.values)

    @property
    def ends(self) -> Iterator[Any]:
        yield from self.values.values()


Dimension = Range | Choice


def split(values: Mapping[str, Any], types: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Dimension]]:
    """Separates fixed values from the dimensions of a search.

    Args:
        types: The annotation of each parameter. Values of unknown parameters stay, to be refused later.

    Raises:
        ConfigurationError: A range or choice is invalid; one line per problem.
    """
    fixed: dict[str, Any] = {}
    dimensions: dict[str, Dimension] = {}
    problems: list[str] = []
    for name, value in values.items():
        several = several_values(value, types.get(name, ""))
        try:
            if isinstance(value, dict) and name in types:
                dimensions[name] = _range(value, types[name])
            elif several and name in types:
                if len(value) < 2:
                    raise ConfigurationError("a choice needs at least two values.")
                dimensions[name] = Choice.of(value)
            else:
                fixed[name] = value
        except ConfigurationError as error:
            problems += [f"{name}: {line}" for line in error.lines]
    if problems:
        raise ConfigurationError(*problems)
    return fixed, dimensions


def types_of(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """The annotations of a component's parameters, by name."""
    return {name: parameter.annotation for name, parameter in parameters.items()}


def corners(dimensions: Mapping[str, Dimension]) -> Iterator[dict[str, Any]]:
    """The ends of each dimension, in turn, with the first end of all others: these must be valid values."""
    first = {name: next(dimension.ends) for name, dimension in dimensions.items()}
    yield first
    for name, dimension in dimensions.items():
        yield from ({**first, name: end} for end in itertools.islice(dimension.ends, 1, None))


def _range(given: Mapping[Any, Any], annotation: str) -> Range:
    for key in given:
        if key not in RANGE:
            raise ConfigurationError(f"unknown key {key!r} of a range.{closest(str(key), RANGE)}")
    kinds = {kind.strip() for kind in annotation.split("|")}
    whole = "int" in kinds and "float" not in kinds
    if not kinds & {"int", "float"}:
        raise ConfigurationError("is not a number: give a list of values instead of a range.")
    numbers: dict[str, float] = {}
    for key in ("low", "high", "step"):
        value = given.get(key)
        if value is None and key == "step":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigurationError(f"{key} must be a number, not {value!r}.")
        if whole and value != int(value):
            raise ConfigurationError(f"{key} must be a whole number, not {value!r}.")
        numbers[key] = float(value)
    log, step = given.get("log", False), numbers.get("step")
    if not isinstance(log, bool):
        raise ConfigurationError(f"log must be true or false, not {log!r}.")
    if numbers["low"] >= numbers["high"]:
        raise ConfigurationError(f"low ({given['low']}) must be below high ({given['high']}).")
    if log and (step is not None or numbers["low"] <= 0 or (whole and numbers["low"] < 1)):
        raise ConfigurationError("a range with log: true must be positive, and has no step.")
    if step is not None and not 0 < step <= numbers["high"] - numbers["low"]:
        raise ConfigurationError(f"step must be positive and fit into the range, not {given['step']}.")
    return Range(numbers["low"], numbers["high"], log, step, whole)
