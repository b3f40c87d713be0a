"""Ends a worker process whose training stalls, or whose trial exceeds its time limit.

It first writes the stacks of all threads to stderr (see `last_words`). A C thread of faulthandler waits, so
it works even if a call never returns and holds the GIL.
"""

from __future__ import annotations

import faulthandler
import math
import time

from orchestrator.driver import last_words

EPOCHS = 10
"""The stall limit is at least the duration of this many of the trial's own epochs."""

FIRST_EPOCH = 2
"""Factor on the stall limit during the first epoch, which reads data and compiles networks."""

REARM_SECONDS = 1.0
"""Rearm at most this often, so that fast batches cost nothing."""

LEAST_SECONDS = 0.001


def first_patience(stalled_minutes: float) -> float:
    """The stall limit until the end of the first epoch, in seconds."""
    return 60 * stalled_minutes * FIRST_EPOCH


class Watch:
    """Watchdog for one trial after another. A process has one.

    Args:
        stalled_minutes: Longest pause between batches.
        hours_per_trial: Time limit of a trial; None for none.
    """

    def __init__(self, stalled_minutes: float, hours_per_trial: float | None):
        self.stalled_minutes = stalled_minutes
        self.hours_per_trial = hours_per_trial
        self.patience_seconds = first_patience(stalled_minutes)
        self.deadline = math.inf
        self.armed_at = -math.inf
        self.limit = ""

    def begin(self, key: str) -> None:
        """Starts the clock of a trial, and marks the start of its stderr."""
        last_words.mark_trial(key)
        self.patience_seconds = first_patience(self.stalled_minutes)
        hours = math.inf if self.hours_per_trial is None else self.hours_per_trial
        self.deadline = time.monotonic() + 3600 * hours
        self.limit = ""
        self.armed_at = -math.inf
        self.batch()

    def batch(self) -> None:
        """Restarts the stall clock after a batch or another sign of life."""
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
        """Adjusts the stall limit after an epoch.

        Args:
            seconds: Mean duration of this trial's epochs.
        """
        self.patience_seconds = max(60 * self.stalled_minutes, EPOCHS * seconds)
        self.armed_at = -math.inf
        self.batch()

    def rest(self) -> None:
        """Stops the clock until the next batch."""
        faulthandler.cancel_dump_traceback_later()
        self.armed_at = -math.inf

    def _limit(self, limit: str) -> None:
        if limit != self.limit:
            self.limit = limit
            last_words.mark_limit(limit)
