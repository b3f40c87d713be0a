"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Outcome:
    """How a run ended. `store_error` is the line that stopped it, if the store did."""

    done: int = 0
    failed: int = 0
    left: int = 0
    store_error: str | None = None
