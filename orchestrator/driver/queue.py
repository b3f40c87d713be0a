"""Which trial Tune starts next, and when one whose process died may start again."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.search import Searcher

from orchestrator.cluster.placement import Needs
from orchestrator.driver.stop_request import StopRequest

MOST_WAITING = 64
"""Trials of equal needs that wait for a place at once: enough for an autoscaler to see what is wanted, few
enough that their order is kept, which Tune does not do among those that wait."""

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds. A trial whose process dies again and again, with no epoch done between, waits longer each time."""


class TrialQueue(Searcher):
    """Hands out trials, in their order, and keeps those back that are to wait.

    Tune asks it as it asks any search algorithm. So Tune knows of a trial only when it is about to start, and
    a trial whose machinery failed comes again as a new one: without limit, after pauses that grow, and
    without the others noticing.

    Args:
        configs: What Tune is to know of each trial, by key, in the order in which they should start.
        needs: What each trial reserves. Trials of other needs do not queue behind each other.
        request: Once it has come, no further trial is handed out.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        configs: Mapping[str, dict[str, Any]],
        needs: Mapping[str, Needs],
        request: StopRequest,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.configs = configs
        self.needs = needs
        self.clock = clock
        self.request = request
        self.ready: dict[Needs, deque[str]] = defaultdict(deque)
        for key in configs:
            self.ready[needs[key]].append(key)
        self.unsettled = {key for queue in self.ready.values() for key in queue}
        self.waiting: dict[Needs, set[str]] = {needs: set() for needs in self.ready}
        self.paused: list[tuple[float, str]] = []
        # Of each trial that died: how often without an epoch done between, and how far it had come.
        self.deaths: dict[str, tuple[int, int]] = {}

    def suggest(  # type: ignore[override]  # FINISHED, which Tune knows, is a text
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The next trial, None if there is none at this moment, FINISHED once no trial is left."""
        if self.request.asked is not None or not self.unsettled:
            finished: str = Searcher.FINISHED
            return finished
        while self.paused and self.paused[0][0] <= self.clock():
            _, key = heapq.heappop(self.paused)
            if key in self.unsettled:
                self.ready[self.needs[key]].appendleft(key)
        open_ = [n for n, queue in self.ready.items() if queue and len(self.waiting[n]) < MOST_WAITING]
        if not open_:
            return None
        needs = min(open_, key=lambda needs: len(self.waiting[needs]))
        key = self.ready[needs].popleft()
        self.waiting[needs].add(key)
        return {"key": key, **self.configs[key]}

    def started(self, key: str) -> None:
        self.waiting[self.needs[key]].discard(key)

    def settled(self, key: str) -> None:
        """A trial that is done or has failed by its own fault: it does not come again."""
        self.started(key)
        self.unsettled.discard(key)

    def died(self, key: str, epoch: int) -> tuple[int, float]:
        """A trial whose process died after so many epochs: it comes again, unless it is settled.

        Returns:
            How often in a row it died without an epoch done between, and the seconds that it waits now.
        """
        self.started(key)
        deaths, reached = self.deaths.get(key, (0, -1))
        deaths = 1 if epoch > reached else deaths + 1
        self.deaths[key] = deaths, max(epoch, reached)
        pause = min(FIRST_PAUSE * 2 ** min(deaths - 1, 30), LONGEST_PAUSE)
        heapq.heappush(self.paused, (self.clock() + pause, key))
        return deaths, pause

    # What Tune demands of a search algorithm, which has nothing to learn or to keep here.

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass
