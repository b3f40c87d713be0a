"""The command that trains a stored trial again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainables.catalogue import DATASETS, LOSSES, MODELS, SAMPLERS
from trainables.errors import CalibsweepError
from trainables.registry import Registry
from trainables.resolve import of_cell, resolve_cell
from trainables.shell import quoted
from trainables.trial import NATURAL, canonical_json

SEED = "@seed@"


def again(
    identity: Mapping[str, Any], protocol: str, loss: str, plugins: Sequence[str] = ()
) -> tuple[str, ...]:
    """The shell line that trains a trial again and commits it to the store `again`, split at its seed.

    Args:
        identity: Of the trial, from its row.
        loss: Its label, which names it in the line if it can.
        plugins: Files with components of its own.

    Returns:
        Empty if no such line gives a trial with the same key: its components are unknown here, or have other
        versions.
    """
    sampler = identity.get("sampler", NATURAL.identity())
    for named in (True, False):
        try:
            chosen = [
                _selection(registry, identity[kind])
                for kind, registry in (("dataset", DATASETS), ("model", MODELS), ("loss", LOSSES))
            ]
            if named:
                chosen[2] = loss, {}
            order = _selection(SAMPLERS, sampler)
            settings = _settings(identity, protocol, chosen, order)
        except (CalibsweepError, LookupError, TypeError):
            continue
        if settings is not None:
            break
    else:
        return ()
    words = ["calibsweep", "trial", "--dataset", _text(chosen[0]), "--model", _text(chosen[1])]
    words += ["--loss", _text(chosen[2]), "--seed", SEED, "--protocol", protocol]
    if sampler != NATURAL.identity():
        words += ["--sampler", _text(order)]
    for name, value in settings.items():
        words += ["--set", f"training.{name}={json.dumps(value)}"]
    for plugin in plugins:
        words += ["--plugin", plugin]
    return tuple(quoted(*words, "--store", "again").split(SEED))


Chosen = tuple[str, dict[str, Any]]


def _settings(
    identity: Mapping[str, Any], protocol: str, chosen: Sequence[Chosen], sampler: Chosen
) -> dict[str, Any] | None:
    """The settings unlike the protocol's; None if the components make no trial of this identity."""
    dataset, model, loss = chosen
    cell = resolve_cell(protocol, dataset, model, loss)
    plain = of_cell(cell, identity["seed"], protocol, sampler=sampler).training.identity()
    changes = {
        name: value
        for name, value in identity["training"].items()
        if canonical_json(plain.get(name)) != canonical_json(value)
    }
    # Milestones follow from the epochs.
    shorter = {name: value for name, value in changes.items() if name != "milestones"}
    for settings in (shorter, changes):
        made = of_cell(cell, identity["seed"], protocol, settings, sampler=sampler)
        if canonical_json(made.identity()) == canonical_json(identity):
            return settings
    return None


def _selection(registry: Registry[Any], component: Mapping[str, Any]) -> Chosen:
    """The component with those of its parameters that its name alone does not give."""
    name, params = component["name"], dict(component["params"])
    try:
        given = dict(registry.resolve(name, {}))
    except CalibsweepError:
        return name, params
    return name, {each: value for each, value in params.items() if given.get(each, given) != value}


def _text(selection: Chosen) -> str:
    """As in a sweep file: 'mlp', 'focal: {gamma: 2}'."""
    name, params = selection
    if not params:
        return name
    return f"{name}: {{{', '.join(f'{each}: {json.dumps(value)}' for each, value in params.items())}}}"
