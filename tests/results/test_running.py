"""What drivers say of themselves, and who forgets it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from results.running import FRESH_SECONDS, Running, publish, running, withdraw
from results.store import Store


def test_the_word_of_a_driver_that_died_is_forgotten_by_another(store: Store) -> None:
    for run in ("dead", "alive", "own"):
        publish(store, run, {run: Running(3)})
    long_ago = time.time() - FRESH_SECONDS - 1
    os.utime(Path(store.folder.root) / "running" / "dead.json", (long_ago, long_ago))
    assert set(running(store)) == {"alive", "own"}
    withdraw(store)
    assert [info.path for info in store.folder.list("running")] == ["running/alive.json", "running/own.json"]
    withdraw(store, "own")
    assert [info.path for info in store.folder.list("running")] == ["running/alive.json"]
