"""Paths of a user's own data and weights in a sweep file: relative to that file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.catalogue import DATASETS, MODELS
from trainables.content import PREFIX
from trainables.registry import Registry
from trainables.trial import Selection

if TYPE_CHECKING:
    from sweeps.spec import Block, Exclusion

KINDS: dict[str, Registry[Any]] = {
    "datasets": DATASETS,
    "evaluations": DATASETS,
    "models": MODELS,
    "dataset": DATASETS,
    "model": MODELS,
}
"""The registry of each field of a block or an exclusion that may name files."""


def placed(block: Block, folder: Path) -> Block:
    """The block with its relative paths below the folder of the sweep file."""
    exclusions = [_placed(each, folder) for each in block.exclude]
    lists = {
        name: [_all(KINDS[name], each, folder) for each in getattr(block, name)]
        for name in ("datasets", "models", "evaluations")
    }
    return block.model_copy(update={**lists, "exclude": exclusions})


def _placed(exclusion: Exclusion, folder: Path) -> Exclusion:
    return exclusion.model_copy(
        update={name: _all(KINDS[name], getattr(exclusion, name), folder) for name in ("dataset", "model")}
    )


def _all(registry: Registry[Any], selections: tuple[Selection, ...], folder: Path) -> tuple[Selection, ...]:
    return tuple(one(registry, each, folder) for each in selections)


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
