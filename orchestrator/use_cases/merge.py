"""Joins the stores of several sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from results.store.merging import Merged
from results.store.merging import merge as merge_stores
from results.store.store import Store
from trainables.errors import ConfigurationError


def merge(
    stores: Sequence[str], target: str, *, progress: Callable[[int, int], object] = lambda done, of: None
) -> Merged:
    """Copies the finished trials of some stores into another, which may be new.

    Trials with equal keys and numbers are one trial. Those with different numbers are conflicts: the target
    gets none of them, and keeps its own.

    Raises:
        ConfigurationError: There is no store to copy from, or the target is one of them.
        StoreError: A store does not exist or cannot be read, or the target cannot be written.
    """
    sources = [Store(store) for store in stores]
    opened = Store(target)
    if not sources or opened.uri in {source.uri for source in sources}:
        raise ConfigurationError(
            f"{target}: name another store as the target, and at least one to copy from."
        )
    for source in sources:
        source.check_place()
    return merge_stores(sources, opened, progress)
