"""How a run ends."""

from __future__ import annotations

from dataclasses import dataclass

STOP_SECONDS = 300.0
"""How long trials that were asked to stop have to keep a checkpoint."""


@dataclass
class Outcome:
    """How a run ended. `store_error` is the line that stopped it, if the store did."""

    done: int = 0
    failed: int = 0
    left: int = 0
    store_error: str | None = None
