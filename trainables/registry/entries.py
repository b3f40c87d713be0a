"""One name in a registry, and its parameters."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from trainables.registry.specs import Spec
from trainables.values import coerced

REQUIRED = object()
"""Marks a parameter without default."""


@dataclass(frozen=True)
class Parameter:
    annotation: str
    default: Any


@dataclass(frozen=True, eq=False)
class Entry(Generic[Spec]):
    """One name in a registry. `component` is its name in a trial's identity.

    Rereading a file gives another entry, so results derived from an entry may be cached under it.

    Attributes:
        kind: Name of the registry's kind in messages.
        preset: Parameters that the name fixes.
        path: The file that defines it. For a plug-in, its location when it was read.
        module: The name under which the file is imported.
        attribute: The class or function in the file.
        source_digest: SHA-256 of the file, recorded with each trial.
        origin: '' for calibsweep's own, 'plug-in', or name and version of the package that provides it.
        common: Parameters of many components of its kind, which it does not declare.
    """

    kind: str
    name: str
    component: str
    preset: Mapping[str, Any]
    parameters: Mapping[str, Parameter]
    version: int
    spec: Spec
    summary: str
    path: Path
    module: str
    attribute: str
    source_digest: str
    origin: str = ""
    common: Mapping[str, Parameter] = field(default_factory=dict)

    @functools.cached_property
    def usual(self) -> Mapping[str, Any]:
        """Presets over defaults, normalised; parameters with neither are absent."""
        values = {k: self.preset.get(k, p.default) for k, p in self.parameters.items()}
        return self.in_one_form({k: v for k, v in values.items() if v is not REQUIRED})

    @functools.cached_property
    def fixed(self) -> Mapping[str, Any]:
        """Presets alone, normalised."""
        return self.in_one_form(self.preset)

    @property
    def settable(self) -> Mapping[str, Parameter]:
        """All parameters that a sweep file may give."""
        return {**self.parameters, **self.common}

    def in_one_form(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters, normalised by their annotations.

        Raises ConfigurationError if one has the wrong type.
        """
        where = f"{self.kind} {self.name!r}"
        known = self.settable
        return {k: coerced(v, known[k].annotation, f"{where}: {k}") for k, v in values.items()}
