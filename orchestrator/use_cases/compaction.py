"""When `calibsweep store compact` would help."""

from __future__ import annotations

from rich.console import Console

from orchestrator.commands import copied
from results.store.snapshot import Snapshot
from results.store.store import Store

MANY = 1000
"""Rows to be read one by one: from here on that takes seconds."""


def loose_rows(store: str, rows: int) -> str | None:
    """What to say to whoever has just read a store, if its rows took long.

    Args:
        rows: How many were read one by one.
    """
    if rows < MANY:
        return None
    command = copied.typed("store compact", {"store": store})
    return f"{rows:,} rows were read one by one; faster after: {command}"


def tell(store: Store, snapshot: Snapshot, console: Console) -> None:
    if line := loose_rows(store.uri, snapshot.loose):
        console.print(line, style="warning", soft_wrap=True)
