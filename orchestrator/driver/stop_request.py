"""Requests to end a sweep early: SIGTERM, Ctrl-C, or a closed terminal."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

STOP_SECONDS = 300.0
"""How long trials that were asked to stop have to save a checkpoint."""

AGAIN_SECONDS = 2.0
"""A second signal within this time is part of the first request: `timeout` signals its child and then the
whole group, and both the shell and the kernel report a closed terminal."""


class RayAtHand(Protocol):
    """The Ray that runs the trials, as seen by the thread that watches it."""

    def gone(self, stopping: bool) -> str | None:
        """The cause once Ray is gone; None while it runs.

        Args:
            stopping: Whether the sweep was asked to end, so be less patient.

        Raises:
            StartError: Ray never started.
        """

    def release(self) -> None:
        """Waits a limited time for the remaining trials to save their checkpoints."""


@dataclass
class StopRequest:
    """A request to stop. Signals set it, any thread may read it.

    Attributes:
        requested_at: Time of the first signal by `time.monotonic()`; None before.
        at_once: Stop without checkpoints: the request was repeated, or no trial was running.
        trials_run: Whether trials are running, which need a checkpoint first.
        ray: The Ray that runs the trials, while they may run.
        undo: Cleanup that must happen before this process ends, in order.
    """

    requested_at: float | None = None
    at_once: bool = False
    trials_run: bool = False
    ray: RayAtHand | None = None
    undo: list[Callable[[], object]] = field(default_factory=list)

    @contextlib.contextmanager
    def heard(self) -> Iterator[StopRequest]:
        """Records signals in `requested_at` and `at_once` for the duration of the context.

        Signals are not raised as exceptions: in the middle of a step of Tune, trials could no longer save
        checkpoints. They have no handlers either, since Ray's core replaces those. All threads and programs
        started in this context have them blocked, and one thread of ours waits for them.
        """
        numbers = ended_by()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        threading.Thread(target=self._listen, args=(numbers,), name="signals", daemon=True).start()
        try:
            yield self
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _listen(self, numbers: set[signal.Signals]) -> None:
        while True:
            self.note(signal.sigwait(numbers))

    def ask(self) -> None:
        """Requests a stop from within this process."""
        if self.requested_at is None:
            self.requested_at = time.monotonic()

    def note(self, number: int) -> None:
        now = time.monotonic()
        if self.requested_at is None:
            self.requested_at = now
            self.at_once = not self.trials_run
        elif number != signal.SIGHUP and now > self.requested_at + AGAIN_SECONDS:
            self.at_once = True

    @contextlib.contextmanager
    def trials(self) -> Iterator[None]:
        """Marks the time during which trials may run."""
        self.trials_run = True
        try:
            yield
        finally:
            self.trials_run = False


def ended_by() -> set[signal.Signals]:
    """The signals that ask a command to end. SIGHUP is not one of them under `nohup`, which ignores it."""
    numbers = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    return {n for n in numbers if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN}
