"""Tells in the store which trials run at this moment, while they do."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from results.errors import StoreError
from results.running import publish, withdraw
from results.store import Store

CHANGES_SECONDS, SECONDS = 3.0, 30.0


@contextlib.contextmanager
def announced(store: Store, run: str, epochs: Callable[[], Mapping[str, int]]) -> Iterator[None]:
    """Has a thread write which trials run: half a minute after the last time, or sooner if they are others.

    What drives them would wait for a slow disk, or a store that is out of reach.

    Args:
        run: Names the run to whoever looks at the store.
        epochs: Keys of the trials that run, each with its epochs that are done. Called in that thread.
    """
    over = threading.Event()
    thread = threading.Thread(
        target=_announce, args=(store, run, epochs, over), name="announcement", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Or it would write once more after the word is withdrawn.
        thread.join()
        with contextlib.suppress(StoreError):
            withdraw(store, run)


def _announce(store: Store, run: str, epochs: Callable[[], Mapping[str, int]], over: threading.Event) -> None:
    last, told = -math.inf, frozenset[str]()
    while not over.wait(CHANGES_SECONDS):
        now = epochs()
        if told != now.keys() or time.monotonic() >= last + SECONDS:
            last, told = time.monotonic(), frozenset(now)
            # Where results cannot be kept the sweep stops; for this the store may be away for a while.
            with contextlib.suppress(StoreError):
                publish(store, run, now)
