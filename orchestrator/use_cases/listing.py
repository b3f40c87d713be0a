"""Names of all that a sweep can use, read off the files without importing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.scoring.scores import SEPARATION, Metric, known_metrics
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

KINDS = (*REGISTRIES, "metrics", "settings", "sweeps")


@dataclass(frozen=True)
class Component:
    """One name in a registry.

    Attributes:
        parameters: With the values that they have if a sweep file says nothing.
        required: Parameters that a sweep file has to give.
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


def listing(kind: str) -> Sequence[Component | Metric | Setting | BundledSweep]:
    """All names of one of `KINDS`: components, metrics, settings or bundled sweeps.

    Raises:
        ConfigurationError: An unknown kind.
    """
    if kind in REGISTRIES:
        return [_component(REGISTRIES[kind], name) for name in REGISTRIES[kind].names()]
    if kind == "metrics":
        return [*known_metrics().values(), *SEPARATION.values()]
    if kind == "settings":
        return [*settings()]
    if kind == "sweeps":
        return [BundledSweep(name, summary) for name, (_, summary) in sorted(bundled().items())]
    raise ConfigurationError(f"there is no {kind!r} to list.{closest(kind, KINDS)}")


def _component(registry: Registry[Any], name: str) -> Component:
    entry = registry[name]
    usual = entry.usual
    values = {parameter: usual[parameter] for parameter in entry.parameters if parameter in usual}
    return Component(name, entry.summary, values, tuple(p for p in entry.parameters if p not in usual))
