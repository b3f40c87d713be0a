"""Which trials run at this moment: what the drivers at work say of themselves, for others to look at.

Nothing hangs on it. What is done, failed or missing is read off the results themselves.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from collections.abc import Collection, Mapping

from results.store.store import Store
from results.store.survey import State, Survey

FOLDER = "running"

NAME = re.compile(rf"{FOLDER}/[^/]+-[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.json")
"""How a driver's file is called. Nothing else is deleted there, wherever a link may lead."""

FRESH_SECONDS = 180.0
"""A driver writes every ten seconds. What is older is of one that died; clocks may differ by some seconds."""


@dataclasses.dataclass(frozen=True)
class Running:
    """What is known of a trial that runs.

    Attributes:
        epochs: How many are done.
        quiet_seconds: For how long no batch of it has come, where that is long; else None.
    """

    epochs: int
    quiet_seconds: float | None = None


def publish(store: Store, run: str, trials: Mapping[str, Running]) -> None:
    """Tells which trials, by key, a driver has running.

    Raises:
        StoreError: A store that cannot be written.
    """
    told = {key: dataclasses.asdict(trial) for key, trial in trials.items()}
    store.folder.write(f"{FOLDER}/{run}.json", json.dumps(told).encode())


def withdraw(store: Store, run: str | None = None) -> None:
    """Forgets the word of a driver, if one is named, and that of drivers that died.

    Raises:
        StoreError: A store that cannot be written.
    """
    for info in store.folder.list(FOLDER):
        stale = NAME.fullmatch(info.path) and not is_fresh(info.modified_ns)
        if stale or info.path == f"{FOLDER}/{run}.json":
            store.folder.delete(info.path)


def running(store: Store) -> dict[str, Running]:
    """Trials that run at this moment, by key."""
    found: dict[str, Running] = {}
    for info in store.folder.list(FOLDER):
        if is_fresh(info.modified_ns):
            try:
                told = read(store.folder.read(info.path))
            except (FileNotFoundError, ValueError):
                continue  # withdrawn since it was listed, or not ours
            age = max(0.0, time.time() - info.modified_ns / 1e9)
            for key, run in told.items():
                quiet = None if run.quiet_seconds is None else run.quiet_seconds + age
                found[key] = dataclasses.replace(run, quiet_seconds=quiet)
    return found


def read(content: bytes) -> dict[str, Running]:
    """A driver's word: what runs, by key. Raises ValueError for anything else."""
    try:
        # A later version may say more.
        told = {key: Running(run["epochs"], run["quiet_seconds"]) for key, run in json.loads(content).items()}
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError("not trials by key") from error
    for run in told.values():
        numbers = [run.epochs] if run.quiet_seconds is None else [run.epochs, run.quiet_seconds]
        if not all(isinstance(number, int | float) and 0 <= number < math.inf for number in numbers):
            raise ValueError("no number of epochs, or of seconds")
    return told


def overlaid(survey: Survey, runs: Collection[str]) -> Survey:
    """The survey with what runs shown as running instead of as missing or interrupted."""
    states = {
        key: State.RUNNING if key in runs and state in (State.MISSING, State.INTERRUPTED) else state
        for key, state in survey.states.items()
    }
    return dataclasses.replace(survey, states=states)


def is_fresh(modified_ns: int) -> bool:
    """Whether a driver that wrote then is still at work."""
    return abs(time.time() - modified_ns / 1e9) < FRESH_SECONDS
