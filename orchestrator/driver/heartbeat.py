"""Records the running trials in the store."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from results.store.errors import StoreError
from results.store.running import Running, publish, withdraw
from results.store.store import Store

CHANGES_SECONDS, SECONDS = 3.0, 10.0

END_SECONDS = 10.0
"""How long to wait for the last write. An unreachable store can delay it for minutes."""


@contextlib.contextmanager
def heartbeat(store: Store, run: str, standing: Callable[[], Mapping[str, Running]]) -> Iterator[None]:
    """Starts a thread that writes the running trials every ten seconds, and when they or their stalls change.

    The driver itself must not wait for a slow disk or an unreachable store. While trials run, this thread is
    the first to notice such a store, and the view shows it.

    Args:
        run: Name of the run for readers of the store.
        standing: Returns the running trials by key. Called in that thread.
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, run, standing, over), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Otherwise it might write once more after the record is withdrawn.
        thread.join(END_SECONDS)
        store.tidying.attempt(lambda: withdraw(store, run))


def _beat(
    store: Store, run: str, standing: Callable[[], Mapping[str, Running]], over: threading.Event
) -> None:
    last, written = -math.inf, (frozenset[str](), frozenset[str]())
    while not over.wait(CHANGES_SECONDS):
        now = standing()
        still = (key for key, trial in now.items() if trial.quiet_seconds is not None)
        current = frozenset(now), frozenset(still)
        if written != current or time.monotonic() >= last + SECONDS:
            last, written = time.monotonic(), current
            # Unlike a result, a heartbeat may fail: the store may be unreachable for a while.
            with contextlib.suppress(StoreError):
                publish(store, run, now)
