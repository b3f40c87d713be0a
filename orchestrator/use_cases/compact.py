"""Copies the rows of all finished trials of a store into one file, so that thousands load at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from results.store.errors import StoreError
from results.store.store import Store


@dataclass(frozen=True)
class Compacted:
    """Attributes:
    store: Its address.
    trials: Number of trials in the compacted copy.
    """

    store: str
    trials: int


def compact(store: str, *, warn: Callable[[str], object] | None = None) -> Compacted:
    """Writes the compacted copy of a store.

    Args:
        warn: Called with a line if an older copy cannot be deleted. By default the line is logged.

    Raises:
        StoreError: The store cannot be written, does not exist, or has no finished trial.
    """
    opened = Store(store)
    opened.check_place()
    if warn is not None:
        opened.tidying.warn = warn
    number = opened.compact()
    if not number:
        raise StoreError(
            f"no finished trial in the store {store}: run a sweep first, or choose another --store."
        )
    return Compacted(store, number)
