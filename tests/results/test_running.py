"""What drivers say of themselves, and who forgets it."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from results.store.running import FRESH_SECONDS, Running, publish, running, withdraw
from results.store.store import Store


def test_the_word_of_a_driver_that_died_is_forgotten_by_another(store: Store) -> None:
    dead, alive, own = (f"{run}-{uuid.uuid4()}" for run in ("dead", "alive", "own"))
    for run in (dead, alive, own, "package"):
        publish(store, run, {run: Running(3)})
    long_ago = time.time() - FRESH_SECONDS - 1
    for run in (dead, "package"):
        os.utime(Path(store.folder.root) / "running" / f"{run}.json", (long_ago, long_ago))
    assert set(running(store)) == {alive, own}
    withdraw(store)
    assert left(store) == {alive, own, "package"}
    withdraw(store, own)
    assert left(store) == {alive, "package"}


def left(store: Store) -> set[str]:
    return {Path(info.path).stem for info in store.folder.list("running")}
