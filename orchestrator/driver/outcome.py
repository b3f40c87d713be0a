"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.driver.errors import StartError
from results.store.errors import StoreError
from trainables.errors import CalibsweepError


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

    @property
    def aborted(self) -> bool:
        return bool(self.store_error or self.worker_error)

    def error(self, kept: str) -> CalibsweepError:
        """The error of an aborted run, with a sentence on the trials that are kept."""
        if self.store_error:
            return StoreError(f"{self.store_error} {kept}")
        return StartError(f"a worker cannot start: {self.worker_error}. {kept}")
