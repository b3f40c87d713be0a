"""How a run ends."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.errors import CalibsweepError

STOP_SECONDS = 300.0
"""How long trials that were asked to stop have to keep a checkpoint."""


@dataclass
class Outcome:
    """How a run ended. `store_error` or `worker_error` is what stopped it: the store, or a worker's start."""

    done: int = 0
    failed: int = 0
    left: int = 0
    store_error: str | None = None
    worker_error: str | None = None


class StartError(CalibsweepError):
    """Ray, or a worker of it, cannot start: nothing that is tried again would end otherwise."""
