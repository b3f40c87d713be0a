"""Says when `calibsweep store compact` would help."""

from __future__ import annotations

from results.snapshot import Snapshot
from results.store import Store

MANY = 1000
"""Rows to be read one by one: from here on that takes seconds."""


def hint(store: Store, snapshot: Snapshot) -> str | None:
    if snapshot.loose < MANY:
        return None
    command = f"calibsweep store compact --store {store.uri}"
    return f"{snapshot.loose:,} rows were read one by one; faster after: {command}"
