"""Where a run's trials come from: the list of a sweep, or whatever else hands them out one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from orchestrator.driver.reports import Done, Failed
from trainables.trial import Trial


class TrialSource(Protocol):
    """Hands out trials and hears how each ended. A search chooses the later ones by the earlier ones."""

    def next(self) -> Trial | None:
        """The next trial, no trial twice; None while there is none to give.

        It is asked until it gives None, and again before each start of a trial. So a source that chooses by
        results gives only as many as may run at once. One that gives None while all its trials are settled
        is at its end.
        """

    def settled(self, trial: Trial, result: Done | Failed) -> None:
        """A trial has ended for good: its result is committed, or it failed by its own fault.

        Interruptions and dead processes are no end: the driver takes up such a trial again by itself.
        """


class ListedTrials:
    """The trials of a list, in its order."""

    def __init__(self, trials: Iterable[Trial]):
        self._rest = iter(trials)

    def next(self) -> Trial | None:
        return next(self._rest, None)

    def settled(self, trial: Trial, result: Done | Failed) -> None:
        """Nothing: the list stands."""
