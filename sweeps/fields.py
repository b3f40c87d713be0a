"""The fields of a sweep file: validation and normalisation."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS, SAMPLERS
from trainables.errors import ConfigurationError
from trainables.registry import Registry, closest
from trainables.resolve import checked_seed
from trainables.texts import why_no_name
from trainables.trial import Selection, TrainingSettings

WATCHERS = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
"""Programs that plot curves during a sweep, and the package that each needs."""

MOST_SEEDS = 100_000
MOST_CHOICES = 100_000
"""Limit for one entry of a list, expanded over lists of values of its parameters."""

SECRETS = ("api_key", "tracking_token")

Watch = tuple[str, dict[str, Any]]


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"must be a mapping of names to values, not {value!r}.")
    return value


def several_values(given: Any, annotation: str) -> bool:
    """Whether a value stands for several, of a parameter with this annotation.

    If the parameter is itself a list, only a list of lists does.
    """
    takes_list = "tuple[" in annotation
    return isinstance(given, list) and (not takes_list or any(isinstance(one, list) for one in given))


def selected(registry: Registry[Any], value: Any) -> tuple[Selection, ...]:
    """The components requested by one entry of a list: several if a parameter has a list of values."""
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"must be a name, or one name with its parameters in braces, not {value!r}.")
    ((name, params),) = mapping(value).items()
    known = registry[name].settable
    choices: list[list[Any]] = []
    for key, given in mapping(params).items():
        several = several_values(given, known[key].annotation if key in known else "")
        if several and not given:
            raise ValueError(f"{name}.{key} must not be an empty list.")
        choices.append(given if several else [given])
    if math.prod(map(len, choices)) > MOST_CHOICES:
        raise ValueError(f"{name}: its lists of values make more than {MOST_CHOICES} combinations.")
    selections = [(name, dict(zip(params, chosen, strict=True))) for chosen in itertools.product(*choices)]
    for _, chosen in selections:
        registry.chosen(name, chosen)
    return tuple(selections)


def _seeds(value: Any) -> tuple[int, ...]:
    number = len(value) if isinstance(value, list) else value
    if type(number) is int and number > MOST_SEEDS:
        raise ValueError(f"has {number} seeds, more than the limit of {MOST_SEEDS}.")
    if type(value) is int and value >= 1:
        return tuple(range(value))
    if isinstance(value, list) and value and all(type(seed) is int and seed >= 0 for seed in value):
        return tuple(checked_seed(seed) for seed in value)
    raise ValueError(f"must be a list of whole numbers from 0, or the number of seeds, not {value!r}.")


def _name(value: str) -> str:
    if why := why_no_name(value):
        raise ValueError(why)
    return value


def _protocol(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of a protocol, not {value!r}.")
    return PROTOCOLS[value].name


def _training(value: Any) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    problems: list[str] = []
    for name, setting in mapping(value).items():
        try:
            checked[name] = TrainingSettings.checked(name, setting)
        except ConfigurationError as error:
            problems += error.lines
    if problems:
        raise ConfigurationError(*problems)
    return checked


def _gpus(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(
            f"must be 0, a fraction below 1 or a whole number, not {value:g}: a trial has a part of one GPU, "
            "or whole GPUs."
        )
    return value


def _watch(value: Any) -> tuple[Watch, ...]:
    found: list[Watch] = []
    for entry in value if isinstance(value, list) else [value]:
        name, options = (
            next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, {})
        )
        if not isinstance(name, str) or name not in WATCHERS:
            raise ValueError(f"unknown tracker {name!r}.{closest(str(name), WATCHERS)}")
        for option in mapping(options):
            if option in SECRETS:
                raise ValueError(
                    f"{name}.{option}: put secrets into environment variables, not into a sweep file."
                )
        found.append((name, dict(options)))
    return tuple(found)


Name = Annotated[str, AfterValidator(_name)]
Datasets = Annotated[tuple[Selection, ...], PlainValidator(functools.partial(selected, DATASETS))]
Models = Annotated[tuple[Selection, ...], PlainValidator(functools.partial(selected, MODELS))]
Losses = Annotated[tuple[Selection, ...], PlainValidator(functools.partial(selected, LOSSES))]
Samplers = Annotated[tuple[Selection, ...], PlainValidator(functools.partial(selected, SAMPLERS))]
Seeds = Annotated[tuple[int, ...], PlainValidator(_seeds)]
ProtocolName = Annotated[str, PlainValidator(_protocol)]
Training = Annotated[dict[str, Any], PlainValidator(_training)]
Watches = Annotated[tuple[Watch, ...], PlainValidator(_watch)]
Gpus = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_gpus)]
