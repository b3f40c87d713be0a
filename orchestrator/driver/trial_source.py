"""Sources of a run's trials: the list of a sweep, or anything else that hands them out one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.cluster.placement import Needs
from orchestrator.driver.limits import Limits
from orchestrator.driver.reports import Done, Failed, Pruned
from trainables.trial import Trial


class TrialSource(Protocol):
    """Hands out trials, and receives the result of each. A search chooses later trials by earlier results.

    Attributes:
        part: Where the scores are that are shown as trials end: 'test' or 'validation'.
    """

    part: str

    def representatives(self) -> Sequence[Trial]:
        """Trials that together have all data sets, models and needs of the source, and at least one.

        These are checked before the first start. The source need not hand them out.
        """

    def needs(self, trial: Trial) -> Needs:
        """The resources that a trial reserves."""

    def next(self) -> Trial | None:
        """The next trial, none of them twice; None while none is available.

        Called until it returns None, and again before each start of a trial. So a source that chooses by
        results should return only as many as may run at once. A source that returns None while all its
        trials are settled is exhausted.
        """

    def coming(self) -> int:
        """The most trials that may be available later, though `next` has none now.

        So many processes wait for them, with the resources that they reserve.
        """

    def limits(self, trial: Trial) -> Limits | None:
        """The limits at which a trial stops early; None to train each to its end."""

    def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
        """Notes the final end of a trial: its result is committed, it failed by its own fault, or it broke a
        limit.

        Not called for interruptions and dead processes, after which the driver resumes the trial by itself.
        If another driver committed the trial meanwhile, `result` has no curves: they are in the store.
        """


class ListedTrials:
    """The trials of a list, in its order.

    Args:
        gpus: Number of GPUs that each reserves, by its key.
        cpus: Number of CPU cores that each of its workers reserves.
    """

    part = "test"

    def __init__(self, trials: Sequence[Trial], gpus: Mapping[str, float], cpus: float):
        self._trials = trials
        self._rest = iter(trials)
        self._gpus = gpus
        self._cpus = cpus

    def representatives(self) -> Sequence[Trial]:
        return self._trials

    def needs(self, trial: Trial) -> Needs:
        return Needs.of(self._gpus[trial.key], self._cpus)

    def next(self) -> Trial | None:
        return next(self._rest, None)

    def coming(self) -> int:
        return 0

    def limits(self, trial: Trial) -> None:
        return None

    def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
        """Does nothing: the list is fixed."""
