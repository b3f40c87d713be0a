"""Whether a sweep was asked to end early: by SIGTERM, by Ctrl-C, or by a terminal that is closed."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

STOP_SECONDS = 300.0
"""How long trials that were asked to stop have to keep a checkpoint."""

AGAIN_SECONDS = 2.0
"""A signal that comes sooner after the first is the same request: `timeout` signals its child and then the
whole group, and both a shell and the kernel tell of a terminal that is closed."""


class RayAtHand(Protocol):
    """The Ray that trials run on, as the thread that hears signals sees it."""

    def gone(self, asked: bool) -> str | None:
        """How it ended, in words, once it is no more; None while it runs.

        Args:
            asked: The sweep is to end, so less is waited for.

        Raises:
            StartError: It never came to be, and nobody else will tell.
        """

    def release(self) -> None:
        """Waits, within limits, until the trials that it leaves behind have kept their checkpoints."""


@dataclass
class StopRequest:
    """Asked for by a signal; read by any thread.

    Attributes:
        asked: Of `time.monotonic()`, when the first signal came; None while none has.
        at_once: Nothing is waited for: it was asked again, or when no trial ran.
        trials_run: Whether there is anything that wants a checkpoint first.
        ray: What the trials run on, for as long as they may run.
        undo: What must not outlive this process, in the order in which it is ended.
    """

    asked: float | None = None
    at_once: bool = False
    trials_run: bool = False
    ray: RayAtHand | None = None
    undo: list[Callable[[], object]] = field(default_factory=list)

    @contextlib.contextmanager
    def heard(self) -> Iterator[StopRequest]:
        """While this is open, signals are noted; whoever looks at `asked` and `at_once` acts.

        They are neither raised, which in the middle of a step of Tune's would leave no way to have the trials
        keep checkpoints, nor handled: Ray's core puts handlers of its own in the place of any. All threads
        that start meanwhile, and programs, have them blocked; one thread of ours waits for them.
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
        """Asks for it from within this process, unless that was done."""
        if self.asked is None:
            self.asked = time.monotonic()

    def note(self, number: int) -> None:
        now = time.monotonic()
        if self.asked is None:
            self.asked = now
            self.at_once = not self.trials_run
        elif number != signal.SIGHUP and now > self.asked + AGAIN_SECONDS:
            self.at_once = True

    @contextlib.contextmanager
    def trials(self) -> Iterator[None]:
        """While this is open, trials may run."""
        self.trials_run = True
        try:
            yield
        finally:
            self.trials_run = False


def ended_by() -> set[signal.Signals]:
    """The signals that ask a command to end. `nohup` has SIGHUP ignored, and so it stays."""
    numbers = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    return {n for n in numbers if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN}
