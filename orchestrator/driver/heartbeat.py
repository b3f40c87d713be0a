"""Tells in the store which trials run at this moment, while they do."""

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
    """Has a thread write which trials run: ten seconds after the last time, or sooner if others do.

    Likewise if others stand still. What drives them would wait for a slow disk, or a store out of reach: as
    long as trials run it is this thread that finds out first, and the view tells.

    Args:
        run: Names the run to whoever looks at the store.
        standing: The trials that run, by key. Called in that thread.
    """
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, run, standing, over), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Or it would write once more after the word is withdrawn.
        thread.join(END_SECONDS)
        store.tidying.attempt(lambda: withdraw(store, run))


def _beat(
    store: Store, run: str, standing: Callable[[], Mapping[str, Running]], over: threading.Event
) -> None:
    last, told = -math.inf, (frozenset[str](), frozenset[str]())
    while not over.wait(CHANGES_SECONDS):
        now = standing()
        still = (key for key, trial in now.items() if trial.quiet_seconds is not None)
        tells = frozenset(now), frozenset(still)
        if told != tells or time.monotonic() >= last + SECONDS:
            last, told = time.monotonic(), tells
            # Where results cannot be kept the sweep stops; for this the store may be away for a while.
            with contextlib.suppress(StoreError):
                publish(store, run, now)
