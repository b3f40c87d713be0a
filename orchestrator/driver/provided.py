"""Components from other packages: each node must have installed the same ones as the driver.

Plug-ins need no such comparison, because their text is sent to the workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from trainables import catalogue, source
from trainables.registry import Registry
from trainables.registry.entries import Entry
from trainables.trial import Trial

REGISTRIES: dict[str, Registry[Any]] = {
    registry.kind: registry for registry in vars(catalogue).values() if isinstance(registry, Registry)
}


class Provided(NamedTuple):
    """A component that an installed package provides through an entry point.

    Attributes:
        kind: Its kind in messages, such as 'data set'.
        origin: Name and version of the package.
        digest: SHA-256 over its source and that of its imports, as far as they are in the same package.
    """

    kind: str
    name: str
    origin: str
    digest: str

    @classmethod
    def of(cls, entry: Entry[Any]) -> Provided:
        return cls(entry.kind, entry.name, entry.origin, source.digest(entry.module))


def provided(trials: Iterable[Trial]) -> list[Provided]:
    """The components from other packages that these trials use, also for their scores."""
    return [Provided.of(entry) for entry in _used(list(trials)) if entry.origin not in ("", "plug-in")]


def _used(trials: list[Trial]) -> Iterator[Entry[Any]]:
    datasets = {part.name for trial in trials for part in (trial.dataset, *trial.evaluations)}
    tasks = {catalogue.DATASETS[name].spec.task for name in datasets}
    named: dict[Registry[Any], set[str]] = {
        catalogue.DATASETS: datasets,
        catalogue.MODELS: {trial.model.name for trial in trials},
        catalogue.LOSSES: {trial.loss.name for trial in trials},
        catalogue.SAMPLERS: {trial.sampler.name for trial in trials},
        catalogue.TASKS: tasks,
        catalogue.METRICS: {
            name
            for name, entry in catalogue.METRICS.entries.items()
            if entry.spec.at_commit and entry.spec.task in tasks
        },
    }
    for registry, names in named.items():
        yield from (registry[name] for name in sorted(names))


def difference(expected: Iterable[tuple[str, str, str, str]]) -> str:
    """How this process differs from one with these `Provided` components; '' if it has the same ones."""
    for known in (Provided(*values) for values in expected):
        entry = REGISTRIES[known.kind].entries.get(known.name)
        component = f"{known.kind} {known.name!r}"
        if entry is None:
            return f"{known.origin}, which provides the {component}, is not installed"
        here = Provided.of(entry)
        if here.origin != known.origin:
            return (
                f"its {component} is from {here.origin or 'calibsweep'}, this command's from {known.origin}"
            )
        if here.digest != known.digest:
            return f"its {known.origin} differs from this command's in the {component}"
    return ""
