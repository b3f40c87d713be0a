"""Whether a sweep was asked to end early: by SIGTERM, or by Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """`asked`, of `time.monotonic()`, is when the first signal came; None while none has."""

    def __init__(self) -> None:
        self.asked: float | None = None
        self.before = {number: signal.getsignal(number) for number in SIGNALS}

    @contextlib.contextmanager
    def heard(self) -> Iterator[StopRequest]:
        """While this is open, the first SIGTERM or SIGINT is noted; a second one ends the process at once.

        It is noted and not raised: an exception in the middle of anything, be it Ray's start or a step of
        Tune's, leaves no way to have the trials keep checkpoints.
        """
        self.listen()
        try:
            yield self
        finally:
            self._listen_no_more()

    def listen(self) -> None:
        """Listens, once more where other code has put handlers of its own."""
        if self.asked is None:
            for number in SIGNALS:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = time.monotonic()
        self._listen_no_more()

    def _listen_no_more(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
