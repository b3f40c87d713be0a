"""What workers are told through Ray while they train: that their node will go, that the sweep is to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

import ray
from ray.experimental import internal_kv

from orchestrator.driver.worker import Notices
from results.store.errors import StoreError

POLL_SECONDS = 2.0
"""Spot instances are given 30 seconds (Google) or two minutes (AWS)."""

LOST_SECONDS = 5.0
"""After which a head that does not answer is taken for gone: a checkpoint is kept."""

NAMESPACE = b"calibsweep"


def ask_to_stop(run: str) -> None:
    """Tells all workers of a run, wherever they are, to keep a checkpoint and end."""
    internal_kv._internal_kv_put(run, b"stop", namespace=NAMESPACE)


def withdraw(run: str) -> None:
    """Forgets in the cluster what `ask_to_stop` left there."""
    internal_kv._internal_kv_del(run, namespace=NAMESPACE)


def watch(run: str, nodes: Iterable[str]) -> Notices:
    """Notices that a thread keeps up to date for as long as this process lives.

    Ray has no public call for which nodes drain; its own Train library asks in this way.

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
                notices.draining = not own.isdisjoint(ray._private.state.state.get_draining_nodes())
            with contextlib.suppress(Exception):
                notices.stopping = internal_kv._internal_kv_exists(run, namespace=NAMESPACE)
            lost.cancel()

    threading.Thread(target=look, name="calibsweep-notices", daemon=True).start()
    return notices
