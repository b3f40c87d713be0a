"""Notices that reach workers through Ray during training: the node will be drained, the sweep is to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.driver import ray_private
from results.store.errors import StoreError

POLL_SECONDS = 2.0
"""Spot instances get a warning of 30 seconds (Google) or two minutes (AWS)."""

LOST_SECONDS = 5.0
"""A head that is silent for this long counts as gone, and workers save a checkpoint."""


@dataclass
class Notices:
    """Requests to a worker in training. Another thread may set them at any moment.

    Attributes:
        stopping: The sweep must stop: save a checkpoint and end.
        draining: The node will soon disappear: save a checkpoint, then continue as long as possible.
        leaving: This process must end: save a checkpoint first.
        when_alone: Called once the head is gone, since no further step may be requested.
    """

    stopping: bool = False
    draining: bool = False
    leaving: bool = False
    when_alone: Callable[[], None] = lambda: None


def ask_to_stop(run: str) -> None:
    """Asks all workers of a run to save a checkpoint and end."""
    ray_private.put_word(run, b"stop")


def withdraw(run: str) -> None:
    """Removes the request of `ask_to_stop` from the cluster."""
    ray_private.delete_word(run)


def watch(run: str, nodes: Iterable[str]) -> Notices:
    """Returns notices that a thread keeps up to date until this process ends.

    Args:
        run: Name of the run, as for `ask_to_stop`.
        nodes: Hexadecimal ids of the trial's nodes.
    """
    notices = Notices()
    own = set(nodes)

    def warn() -> None:
        notices.draining = True
        with contextlib.suppress(StoreError):
            notices.when_alone()

    def look() -> None:
        wait = threading.Event()
        while not wait.wait(POLL_SECONDS):
            # A call to a dead head hangs without an error. This node may disappear next.
            lost = threading.Timer(LOST_SECONDS, warn)
            lost.daemon = True
            lost.start()
            # A brief outage must not end this loop.
            with contextlib.suppress(Exception):
                notices.draining = not own.isdisjoint(ray_private.draining_nodes())
            with contextlib.suppress(Exception):
                notices.stopping = ray_private.has_word(run)
            lost.cancel()

    threading.Thread(target=look, name="calibsweep-notices", daemon=True).start()
    return notices
