"""Paths of a user's own data and weights in a sweep file: relative to that file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables.catalogue import DATASETS, MODELS
from trainables.content import PREFIX
from trainables.registry import Registry
from trainables.trial import Selection

KINDS: dict[str, Registry[Any]] = {"dataset": DATASETS, "model": MODELS}


def placed(kind: str, selections: tuple[Selection, ...], folder: Path) -> tuple[Selection, ...]:
    """Components of a kind, 'dataset' or 'model', with their relative paths below a folder."""
    return tuple(one(KINDS[kind], each, folder) for each in selections)


def one(registry: Registry[Any], selection: Selection, folder: Path) -> Selection:
    """The component with its path below a folder, if it names a relative one."""
    if isinstance(selection, str):
        return selection
    name, params = selection
    parameter = registry[name].spec.content
    given = params.get(parameter)
    if not isinstance(given, str) or not given or given.startswith(PREFIX):
        return selection
    # An absolute path stays as it is.
    return name, {**params, parameter: str(folder.absolute() / Path(given).expanduser())}
