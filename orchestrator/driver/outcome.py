"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Outcome:
    """How a run ended, in numbers of trials.

    Attributes:
        left: Neither done nor failed.
        store_error: Why results could no longer be stored; None if they could.
        worker_error: Why a worker could not start; None if all could.
    """

    done: int = 0
    failed: int = 0
    left: int = 0
    store_error: str | None = None
    worker_error: str | None = None
