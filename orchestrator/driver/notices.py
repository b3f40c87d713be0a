"""What workers are told through Ray while they train: that their node will go, that the sweep is to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

from orchestrator.driver import ray_private
from orchestrator.driver.worker import Notices
from results.store.errors import StoreError

POLL_SECONDS = 2.0
"""Spot instances are given 30 seconds (Google) or two minutes (AWS)."""

LOST_SECONDS = 5.0
"""After which a head that does not answer is taken for gone: a checkpoint is kept."""


def ask_to_stop(run: str) -> None:
    """Tells all workers of a run, wherever they are, to keep a checkpoint and end."""
    ray_private.put_word(run, b"stop")


def withdraw(run: str) -> None:
    """Forgets in the cluster what `ask_to_stop` left there."""
    ray_private.delete_word(run)


def watch(run: str, nodes: Iterable[str]) -> Notices:
    """Notices that a thread keeps up to date for as long as this process lives.

    Args:
        run: As `ask_to_stop` names it.
        nodes: Ids of the nodes that the trial runs on, hexadecimal.
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
            # A head that is gone gives no answer and no error; this node may then go too.
            lost = threading.Timer(LOST_SECONDS, warn)
            lost.daemon = True
            lost.start()
            # One that is away for a moment is no reason to stop looking.
            with contextlib.suppress(Exception):
                notices.draining = not own.isdisjoint(ray_private.draining_nodes())
            with contextlib.suppress(Exception):
                notices.stopping = ray_private.has_word(run)
            lost.cancel()

    threading.Thread(target=look, name="calibsweep-notices", daemon=True).start()
    return notices
