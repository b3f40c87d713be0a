"""Our trials for a published number, and their settings that differ from the paper's."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.comparison.places import LONG_TAILED, METHODS, PLACES, PROTOCOLS
from results.tables.published import PAPERS
from trainables.resolve import resolve
from trainables.trial import canonical_json


@dataclass(frozen=True)
class Trained:
    """The trials that differ only in their seeds.

    Attributes:
        identity: That of one of them.
        rows: Positions of the finished trials in the data frame, by seed.
        planned: Seeds of the sweep; those of the finished trials without one.
    """

    identity: Mapping[str, Any]
    rows: Mapping[int, int]
    planned: tuple[int, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(seed for seed in self.planned if seed not in self.rows)


Place = tuple[str, str, tuple[Any, ...]]
"""Data set, network, and the long-tailed form of the data set; () if it is whole."""

Found = tuple[Trained, tuple[str, ...]]
"""Trials, and their settings that differ from the paper's."""


class Ours:
    """Finds our trials for published numbers.

    Args:
        trials: One row per finished trial, from `Snapshot.trials()`, with positions as index.
        expected: One row per trial of a sweep, from `expected_frame`: others are ignored.
    """

    def __init__(self, trials: pd.DataFrame, expected: pd.DataFrame | None = None):
        self.planned = expected is not None
        self._closest: dict[tuple[str, str, str, str], list[Found]] = {}
        self._by_place: dict[Place, list[Trained]] = defaultdict(list)
        for trained in _trained(trials, expected):
            dataset, model = trained.identity["dataset"], trained.identity["model"]["name"]
            self._by_place[dataset["name"], model, _form(dataset["params"])].append(trained)

    def trained(self, dataset: str, model: str) -> bool:
        """Whether there are trials, or a sweep plans some, for a data set and network as in print."""
        return (dataset, model) in PLACES and _place(dataset, model) in self._by_place

    def closest(self, paper: str, dataset: str, model: str, loss: str) -> list[Found]:
        """The trials with the fewest settings that differ from the paper's, and these settings.

        Several if there are equally many; none if the place was not trained.

        Args:
            paper: One of `PAPERS`.
            dataset: As in print, like `model` and `loss`.
        """
        cell = paper, dataset, model, loss
        if cell not in self._closest:
            self._closest[cell] = self._find(*cell)
        return self._closest[cell]

    def _find(self, paper: str, dataset: str, model: str, loss: str) -> list[Found]:
        there = self._by_place.get(_place(dataset, model))
        if not there:
            return []
        protocol = PAPERS[paper].protocol
        protocols = PROTOCOLS if protocol in PROTOCOLS else (protocol,)
        losses = [_published(each, dataset, model, loss)["loss"] for each in protocols]
        asked = _published(protocol, dataset, model, loss)
        found = [trained for trained in there if trained.identity["loss"] in losses]
        if protocol not in PROTOCOLS:
            # There a sampler or mixup is a method of its own.
            found = [trained for trained in found if _beside_loss(trained.identity) == _beside_loss(asked)]
        if not found:
            return []
        by_difference = [(trained, differences(trained.identity, asked)) for trained in found]
        fewest = min(len(differing) for _, differing in by_difference)
        return [each for each in by_difference if len(each[1]) == fewest]


def _trained(trials: pd.DataFrame, expected: pd.DataFrame | None) -> Iterator[Trained]:
    rows: dict[str, dict[int, int]] = defaultdict(dict)
    planned: dict[str, set[int]] = defaultdict(set)
    identities: dict[str, Mapping[str, Any]] = {}

    def group(text: str) -> tuple[str, int]:
        identity = json.loads(text)
        seed = identity.pop("seed")
        name = canonical_json(identity)
        identities[name] = identity
        return name, seed

    if expected is not None:
        for text in expected["identity"]:
            name, seed = group(text)
            planned[name].add(seed)
    for position, text in enumerate(trials["identity"] if len(trials) else ()):
        name, seed = group(text)
        if expected is None or seed in planned.get(name, ()):
            rows[name][seed] = position
    for name in rows if expected is None else planned:
        yield Trained(identities[name], rows[name], tuple(sorted(planned[name] or rows[name])))


def _place(dataset: str, model: str) -> Place:
    """From names in print."""
    _, params = LONG_TAILED.get(dataset, ("", {}))
    return (*PLACES[dataset, model], _form(params))


def _form(params: Mapping[str, Any]) -> tuple[Any, ...]:
    return (params["imbalance"], params["factor"]) if params.get("imbalance") else ()


def _beside_loss(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sampler and mixup."""
    return identity.get("sampler"), identity["training"].get("mixup")


@functools.cache
def _published(protocol: str, dataset: str, model: str, loss: str) -> Mapping[str, Any]:
    """The identity of the published trial, by its names in print."""
    method, (name, network) = METHODS[loss], PLACES[dataset, model]
    trial = resolve(
        LONG_TAILED.get(dataset, name),
        network,
        method.loss,
        0,
        protocol,
        training=method.training,
        sampler=method.sampler,
    )
    identity: dict[str, Any] = json.loads(canonical_json(trial.identity()))
    return identity


def differences(ours: Mapping[str, Any], published: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings of ours that differ, as text: 'words 22329, not none'.

    Seeds are ignored.
    """
    here, there = _flat(ours), _flat(published)
    names = [name for name in {**there, **here} if here.get(name) != there.get(name)]
    # Milestones scale with the epochs.
    if "epochs" in names:
        names = [name for name in names if name != "milestones"]
    return tuple(f"{name} {_short(here.get(name))}, not {_short(there.get(name))}" for name in names)


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for kind in ("dataset", "model", "loss", "sampler"):
        part = identity.get(kind)
        if part:
            flat |= part["params"]
            flat[f"version of the {'data set' if kind == 'dataset' else kind}"] = part["version"]
    flat |= identity["training"]
    if "sampler" in identity:
        flat["sampler"] = identity["sampler"]["name"]
    return flat


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_short, value)) or "none"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
