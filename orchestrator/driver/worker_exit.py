"""How a process of a trial ends whose machine tells it to, or whose Ray has died: with a checkpoint first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from orchestrator.driver import last_words

LOOK_SECONDS = 0.05
"""Ray looks once a second whether its raylet has died, and then ends the process."""

WAIT_SECONDS = 20.0
"""How long a process stays for the one of its trial that keeps the checkpoint."""


def listen(leave: Callable[[], None]) -> None:
    """Has `leave` called when this process gets SIGTERM, or when its parent dies; a second SIGTERM ends it.

    To be called in the main thread. Ray's own handler would raise wherever that is at this moment; and Ray
    lets a process live for some seconds after the death of the raylet that started it.
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
    # Of a Ray that we started, processes have it blocked until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=look, args=(os.getppid(),), name="calibsweep-parent", daemon=True).start()


def end() -> NoReturn:
    """Ends this process at once, with the code by which shells tell of SIGTERM."""
    last_words.tell_told_to_end()
    os._exit(128 + signal.SIGTERM)


def end_later() -> None:
    """Ends this process if, some seconds later, nobody else has."""
    timer = threading.Timer(WAIT_SECONDS, end)
    timer.daemon = True
    timer.start()
