"""Ends a worker process in which training stands still, or that has had all the time of its trial.

The stacks of all its threads go to its stderr first (see `last_words`). The thread of faulthandler
waits, and needs no Python: a call that never returns, whatever it holds, does not stop it.
"""

from __future__ import annotations

import faulthandler
import math
import time

from orchestrator.driver import last_words

EPOCHS = 10
"""A trial may stand still for as long as so many of its own epochs take, where that is longer."""

FIRST_EPOCH = 2
"""How many times as long it may until its first epoch is done: data is read then, networks are compiled."""

REARM_SECONDS = 1.0
"""Batches that come faster cost nothing more."""

LEAST_SECONDS = 0.001


def first_patience(stalled_minutes: float) -> float:
    """Seconds that a trial may stand still before its first epoch is done."""
    return 60 * stalled_minutes * FIRST_EPOCH


class Watch:
    """Waits for the batches of one trial after the other. One process has one.

    Args:
        stalled_minutes: How long no batch may come.
        hours_per_trial: How long a trial may take as a whole; None for no limit.
    """

    def __init__(self, stalled_minutes: float, hours_per_trial: float | None):
        self.stalled_minutes = stalled_minutes
        self.hours_per_trial = hours_per_trial
        self.patience_seconds = first_patience(stalled_minutes)
        self.deadline = math.inf
        self.armed_at = -math.inf
        self.limit = ""

    def begin(self, key: str) -> None:
        """The time of a trial begins, and with it what it writes on stderr."""
        last_words.tell_trial(key)
        self.patience_seconds = first_patience(self.stalled_minutes)
        hours = math.inf if self.hours_per_trial is None else self.hours_per_trial
        self.deadline = time.monotonic() + 3600 * hours
        self.limit = ""
        self.armed_at = -math.inf
        self.batch()

    def batch(self) -> None:
        """A batch has come, or another sign that this process goes on."""
        now = time.monotonic()
        if now < self.armed_at + REARM_SECONDS:
            return
        self.armed_at = now
        left = self.deadline - now
        if left < self.patience_seconds:
            self._limit(f"hours {self.hours_per_trial:g}")
        else:
            self._limit(f"minutes {self.patience_seconds / 60:g}")
        seconds = max(LEAST_SECONDS, min(left, self.patience_seconds))
        faulthandler.dump_traceback_later(seconds, file=last_words.STDERR, exit=True)

    def epoch(self, seconds: float) -> None:
        """An epoch is done.

        Args:
            seconds: What this trial's epochs take, on average.
        """
        self.patience_seconds = max(60 * self.stalled_minutes, EPOCHS * seconds)
        self.armed_at = -math.inf
        self.batch()

    def rest(self) -> None:
        """This process has nothing to do until the next batch."""
        faulthandler.cancel_dump_traceback_later()
        self.armed_at = -math.inf

    def _limit(self, limit: str) -> None:
        if limit != self.limit:
            self.limit = limit
            last_words.tell_limit(limit)
