"""Chooses the trial that Tune starts next, and when a trial whose process died may restart."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from orchestrator.cluster.placement import Needs
from orchestrator.driver.reports import Done, Failed, Pruned
from orchestrator.driver.stop_request import StopRequest
from orchestrator.driver.trial_source import TrialSource
from trainables.trial import Trial

MOST_WAITING = 64
"""Number of trials of equal needs that wait for resources at once: enough for an autoscaler to see the
demand, few enough to keep their order, since Tune reorders waiting trials."""

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds. A trial waits longer after each death of its process without a completed epoch in between."""


class TrialQueue(Searcher):
    """Hands out trials in order, and holds back those that must wait.

    To Tune it is a search algorithm. So Tune learns of a trial only when it is about to start, and a trial
    whose machinery failed returns as a new one: without limit, after growing pauses, and without effect on
    the others.

    Args:
        source: Yields the trials, in the order in which they should start. Trials of different needs do not
            queue behind each other.
        request: Once set, no further trial is handed out.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        source: TrialSource,
        request: StopRequest,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.source = source
        self.clock = clock
        self.request = request
        self.unsettled: dict[str, Trial] = {}
        self.ready: dict[Needs, deque[str]] = defaultdict(deque)
        self.waiting: dict[Needs, set[str]] = defaultdict(set)
        self.paused: list[tuple[float, str]] = []
        # By trial: its deaths in a row without a completed epoch in between, and its completed epochs.
        self.deaths: dict[str, tuple[int, int]] = {}

    def suggest(  # type: ignore[override]  # FINISHED, which Tune knows, is a text
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The next trial; None if none is ready now; FINISHED once no trial is left."""
        finished: str = Searcher.FINISHED
        if self.request.requested_at is not None:
            return finished
        while (trial := self.source.next()) is not None:
            self.unsettled[trial.key] = trial
            self.ready[self.source.needs(trial)].append(trial.key)
        if not self.unsettled:
            return finished
        while self.paused and self.paused[0][0] <= self.clock():
            _, key = heapq.heappop(self.paused)
            if key in self.unsettled:
                self.ready[self.source.needs(self.unsettled[key])].appendleft(key)
        open_ = [n for n, queue in self.ready.items() if queue and len(self.waiting[n]) < MOST_WAITING]
        if not open_:
            return None
        needs = min(open_, key=lambda needs: len(self.waiting[needs]))
        key = self.ready[needs].popleft()
        self.waiting[needs].add(key)
        return self._config(self.unsettled[key])

    def _config(self, trial: Trial) -> dict[str, Any]:
        """The Tune config of a trial: the whole trial, and labels for trackers."""
        labels = {"dataset": trial.dataset.label, "model": trial.model.label, "loss": trial.loss.label}
        also = {"seed": trial.seed, "protocol": trial.protocol, "key": trial.key}
        needs = self.source.needs(trial)
        limits = self.source.limits(trial)
        return {"trial": trial, "needs": needs, "limits": limits, **labels, **also}

    def started(self, trial: Trial) -> None:
        self.waiting[self.source.needs(trial)].discard(trial.key)

    def settled(self, trial: Trial, result: Done | Failed | Pruned) -> None:
        """Notes that a trial is done, has failed by its own fault or stopped early: it does not return."""
        self.started(trial)
        if self.unsettled.pop(trial.key, None) is not None:
            self.source.settled(trial, result)

    def died(self, trial: Trial, epoch: int) -> tuple[int, float]:
        """Notes that a trial's process died after `epoch` epochs. The trial returns, unless it is settled.

        Returns:
            Its deaths in a row without a completed epoch in between, and its waiting time in seconds.
        """
        self.started(trial)
        key = trial.key
        deaths, reached = self.deaths.get(key, (0, -1))
        deaths = 1 if epoch > reached else deaths + 1
        self.deaths[key] = deaths, max(epoch, reached)
        pause = min(FIRST_PAUSE * 2 ** min(deaths - 1, 30), LONGEST_PAUSE)
        heapq.heappush(self.paused, (self.clock() + pause, key))
        return deaths, pause

    # Tune requires these methods of a search algorithm; here there is nothing to learn or save.

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass
