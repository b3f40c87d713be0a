"""`calibsweep store compact`, and when it would help."""

from __future__ import annotations

from rich.console import Console

from orchestrator.commands import copied
from results.store.errors import StoreError
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.wording import counted

MANY = 1000
"""Rows to be read one by one: from here on that takes seconds."""


def compact(uri: str, console: Console) -> None:
    """Raises StoreError for a store that cannot be written, is not there, or has no finished trial."""
    store = Store(uri)
    store.check_place()
    store.tidying.tell = lambda line: console.print(line, style="warning", highlight=False, soft_wrap=True)
    number = store.compact()
    if not number:
        raise StoreError(
            f"no finished trial in the store {uri}: run a sweep first, or choose another --store."
        )
    console.print(f"{counted(number, 'trial')} in the compacted copy of {uri}.", highlight=False)


def hint(store: Store, snapshot: Snapshot) -> str | None:
    """What to say to whoever has just read a store, if its rows took long."""
    if snapshot.loose < MANY:
        return None
    command = copied.typed("store compact", {"store": store.uri})
    return f"{snapshot.loose:,} rows were read one by one; faster after: {command}"


def tell(store: Store, snapshot: Snapshot, console: Console) -> None:
    if line := hint(store, snapshot):
        console.print(line, style="warning", soft_wrap=True)
