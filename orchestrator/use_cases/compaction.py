"""When `calibsweep store compact` would help."""

from __future__ import annotations

from rich.console import Console

from orchestrator.commands import copied
from results.store.snapshot import Snapshot
from results.store.store import Store

MANY = 1000
"""Rows to be read one by one: from here on that takes seconds."""


def hint(store: Store, snapshot: Snapshot) -> str | None:
    """What to say to whoever has just read a store, if its rows took long."""
    if snapshot.loose < MANY:
        return None
    command = copied.typed("store compact", {"store": store.uri})
    return f"{snapshot.loose:,} rows were read one by one; faster after: {command}"


def tell(store: Store, snapshot: Snapshot, console: Console) -> None:
    if line := hint(store, snapshot):
        console.print(line, style="warning", soft_wrap=True)
