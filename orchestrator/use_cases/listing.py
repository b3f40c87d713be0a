"""Lists everything that a sweep can use. Reads the source files without importing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.scoring.scores import Metric, known_metrics
from sweeps.settings import Setting, settings
from sweeps.spec import bundled
from trainables.catalogue import CALIBRATORS, DATASETS, LOSSES, MODELS, PROTOCOLS, SAMPLERS
from trainables.errors import ConfigurationError
from trainables.registry import Registry, closest

REGISTRIES: dict[str, Registry[Any]] = {
    "losses": LOSSES,
    "models": MODELS,
    "datasets": DATASETS,
    "samplers": SAMPLERS,
    "protocols": PROTOCOLS,
    "calibrators": CALIBRATORS,
}

KINDS = (*REGISTRIES, "metrics", "settings", "sweeps", "tables")


@dataclass(frozen=True)
class Component:
    """One name in a registry.

    Attributes:
        parameters: Optional parameters with their defaults.
        required: Parameters without a default.
    """

    name: str
    summary: str
    parameters: Mapping[str, Any]
    required: tuple[str, ...]


@dataclass(frozen=True)
class BundledSweep:
    """A sweep that comes with calibsweep."""

    name: str
    summary: str


@dataclass(frozen=True)
class PublishedTable:
    """A table of one of the two papers: 'mukhoti2020/5'."""

    name: str
    summary: str


def listing(kind: str) -> Sequence[Component | Metric | Setting | BundledSweep | PublishedTable]:
    """Lists one of `KINDS`: components, metrics, settings, bundled sweeps or published tables.

    Raises:
        ConfigurationError: The kind is unknown.
    """
    if kind in REGISTRIES:
        return [_component(REGISTRIES[kind], name) for name in REGISTRIES[kind].names()]
    if kind == "metrics":
        return [*known_metrics().values()]
    if kind == "settings":
        return [*settings()]
    if kind == "sweeps":
        return [BundledSweep(name, summary) for name, (_, summary) in sorted(bundled().items())]
    if kind == "tables":
        from results.tables.papers import listed

        return [PublishedTable(*each) for each in listed()]
    raise ConfigurationError(f"unknown kind {kind!r}.{closest(kind, KINDS)}")


def _component(registry: Registry[Any], name: str) -> Component:
    entry = registry[name]
    usual = entry.usual
    values = {parameter: usual[parameter] for parameter in entry.parameters if parameter in usual}
    return Component(name, entry.summary, values, tuple(p for p in entry.parameters if p not in usual))
