"""Tells in the store which trials run at this moment, while they do."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from results.errors import StoreError
from results.running import publish, withdraw
from results.store import Store

CHANGES_SECONDS, SECONDS = 3.0, 30.0


class Announcement:
    """A thread that writes which trials run: half a minute after the last time, or sooner if they are others.

    Not a part of what drives them, which would wait for a slow disk, or a store that is out of reach.

    Args:
        run: Names the run to whoever looks at the store.
        epochs: Keys of the trials that run, each with its epochs that are done. Called in that thread.
    """

    def __init__(self, store: Store, run: str, epochs: Callable[[], Mapping[str, int]]):
        self.store = store
        self.run = run
        self.epochs = epochs
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._announce, name="announcement", daemon=True)

    def __enter__(self) -> Announcement:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        # Or it would write once more after the word is withdrawn.
        self.thread.join()
        with contextlib.suppress(StoreError):
            withdraw(self.store, self.run)

    def _announce(self) -> None:
        announced, told = -math.inf, frozenset[str]()
        while not self.over.wait(CHANGES_SECONDS):
            epochs = self.epochs()
            if told != epochs.keys() or time.monotonic() >= announced + SECONDS:
                # Where results cannot be kept the sweep stops; for this the store may be away for a while.
                with contextlib.suppress(StoreError):
                    publish(self.store, self.run, epochs)
                    announced, told = time.monotonic(), frozenset(epochs)
