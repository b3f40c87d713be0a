"""Sources of a run's trials: the list of a sweep, or anything else that hands them out one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from orchestrator.driver.reports import Done, Failed
from trainables.trial import Trial


class TrialSource(Protocol):
    """Hands out trials, and receives the result of each. A search chooses later trials by earlier results."""

    def next(self) -> Trial | None:
        """The next trial, none of them twice; None while none is available.

        Called until it returns None, and again before each start of a trial. So a source that chooses by
        results should return only as many as may run at once. A source that returns None while all its
        trials are settled is exhausted.
        """

    def settled(self, trial: Trial, result: Done | Failed) -> None:
        """Notes the final end of a trial: its result is committed, or it failed by its own fault.

        Not called for interruptions and dead processes, after which the driver resumes the trial by itself.
        """


class ListedTrials:
    """The trials of a list, in its order."""

    def __init__(self, trials: Iterable[Trial]):
        self._rest = iter(trials)

    def next(self) -> Trial | None:
        return next(self._rest, None)

    def settled(self, trial: Trial, result: Done | Failed) -> None:
        """Does nothing: the list is fixed."""
