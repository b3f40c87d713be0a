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
def announced(
    store: Store,
    run: str,
    epochs: Callable[[], Mapping[str, int]],
    quiet: Callable[[], Mapping[str, float]],
) -> Iterator[None]:
    """Has a thread write which trials run: half a minute after the last time, or sooner if they are others.

    Or if others stand still.

    What drives them would wait for a slow disk, or a store that is out of reach.

    Args:
        run: Names the run to whoever looks at the store.
        epochs: Keys of the trials that run, each with its epochs that are done. Called in that thread.
        quiet: Keys of those that stand still, each with the seconds for which they do. Likewise.
    """
    over = threading.Event()
    thread = threading.Thread(
        target=_announce, args=(store, run, epochs, quiet, over), name="announcement", daemon=True
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


def _announce(
    store: Store,
    run: str,
    epochs: Callable[[], Mapping[str, int]],
    quiet: Callable[[], Mapping[str, float]],
    over: threading.Event,
) -> None:
    last, told = -math.inf, (frozenset[str](), frozenset[str]())
    while not over.wait(CHANGES_SECONDS):
        now, still = epochs(), quiet()
        tells = frozenset(now), frozenset(still)
        if told != tells or time.monotonic() >= last + SECONDS:
            last, told = time.monotonic(), tells
            # Where results cannot be kept the sweep stops; for this the store may be away for a while.
            with contextlib.suppress(StoreError):
                publish(store, run, now, still)
