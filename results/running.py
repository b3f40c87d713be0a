"""Which trials run at this moment: what the drivers at work say of themselves, for others to look at.

Nothing hangs on it. What is done, failed or missing is read off the results themselves.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping

from results.store import State, Store, Survey

FOLDER = "running"

FRESH_SECONDS = 180.0
"""A driver writes every half minute. What is older is of one that died; clocks may differ by some seconds."""


def publish(store: Store, run: str, epochs: Mapping[str, int]) -> None:
    """Tells which trials a driver has running, and how many epochs of each are done.

    Raises:
        StoreError: A store that cannot be written.
    """
    store.folder.write(f"{FOLDER}/{run}.json", json.dumps(dict(epochs)).encode())


def withdraw(store: Store, run: str) -> None:
    """Forgets this driver's word, and that of drivers that died.

    Raises:
        StoreError: A store that cannot be written.
    """
    for info in store.folder.list(FOLDER):
        if info.path == f"{FOLDER}/{run}.json" or not is_fresh(info.modified_ns):
            store.folder.delete(info.path)
    store.folder.delete_folder_if_empty(FOLDER)


def running(store: Store) -> dict[str, int]:
    """Keys of trials that run at this moment, each with its epochs that are done."""
    found: dict[str, int] = {}
    for info in store.folder.list(FOLDER):
        if is_fresh(info.modified_ns):
            try:
                found |= json.loads(store.folder.read(info.path))
            except (FileNotFoundError, ValueError):
                continue  # withdrawn since it was listed, or not ours
    return found


def overlaid(survey: Survey, epochs: Mapping[str, int]) -> Survey:
    """The survey with what runs shown as running instead of as missing or interrupted."""
    states = {
        key: State.RUNNING if key in epochs and state in (State.MISSING, State.INTERRUPTED) else state
        for key, state in survey.states.items()
    }
    return dataclasses.replace(survey, states=states)


def is_fresh(modified_ns: int) -> bool:
    """Whether a driver that wrote then is still at work."""
    return abs(time.time() - modified_ns / 1e9) < FRESH_SECONDS
