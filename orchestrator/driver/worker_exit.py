"""Ends a trial's process with a checkpoint when it gets SIGTERM or its Ray dies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from orchestrator.driver import last_words

LOOK_SECONDS = 0.05
"""Shorter than Ray's own interval: it checks the raylet once a second, and ends the process if it is dead."""

WAIT_SECONDS = 20.0
"""How long a process waits for the one that saves its trial's checkpoint."""


def listen(leave: Callable[[], None]) -> None:
    """Calls `leave` on SIGTERM or when the parent dies. A second SIGTERM ends the process.

    Call it in the main thread. Ray's own handler would raise an exception at an arbitrary point of it. After
    the death of its raylet a process has a few seconds until Ray ends it.
    """

    def hear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        leave()

    def look(parent: int) -> None:
        wait = threading.Event()
        while not wait.wait(LOOK_SECONDS):
            if os.getppid() != parent:
                leave()
                return

    signal.signal(signal.SIGTERM, hear)
    # A Ray that we started has SIGTERM blocked in all its processes.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=look, args=(os.getppid(),), name="calibsweep-parent", daemon=True).start()


def end() -> NoReturn:
    """Ends this process at once, with the exit code of SIGTERM."""
    last_words.mark_terminated()
    os._exit(128 + signal.SIGTERM)


def end_later() -> None:
    """Ends this process after some seconds, unless it has ended by then."""
    timer = threading.Timer(WAIT_SECONDS, end)
    timer.daemon = True
    timer.start()
