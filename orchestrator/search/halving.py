"""Asynchronous successive halving (ASHA; Li et al., MLSys 2020), made repeatable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from orchestrator.driver.limits import Limits
from sweeps.search import Search
from trainables.trial import Trial


class Rungs:
    """The values of a search's curve at each rung, by key of the trial.

    Algorithm 2 of the paper compares a trial with those that have reached its rung by then. Here it is
    compared with those that the study knew when the trial was suggested, so that it stops at the same epoch
    whichever trial ends first.
    """

    def __init__(self, search: Search):
        self.search = search
        self.values: dict[int, dict[str, float]] = defaultdict(dict)

    def add(self, key: str, rungs: Mapping[int, float]) -> None:
        """The values of a trial at the rungs that it reached, by number of epochs."""
        for epochs, value in rungs.items():
            self.values[epochs][key] = value

    def limits(self, trial: Trial) -> Limits | None:
        """The limits of a trial that is suggested now; None without early stopping."""
        halving, (objective, *_) = self.search.file.halving, self.search.objectives
        if halving is None:
            return None
        worst = []
        for epochs in halving.rungs(trial.training.epochs):
            known = sorted(self.values[epochs].values(), reverse=objective.direction == "higher")
            # The trial itself is one more.
            if going_on := (len(known) + 1) // halving.factor:
                worst.append((epochs, known[going_on - 1]))
        return Limits(objective.column, objective.direction, tuple(worst))
