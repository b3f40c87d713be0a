"""The trials that are running now: the active drivers publish theirs for other processes.

Nothing depends on this. The states done, failed and missing are determined from the results themselves.
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
"""Name of a driver's file. Nothing else is deleted there, even behind links."""

FRESH_SECONDS = 180.0
"""A driver writes every ten seconds. Older files are from dead drivers; clocks may differ by some seconds."""


@dataclasses.dataclass(frozen=True)
class Running:
    """The progress of a running trial.

    Attributes:
        epochs: Number of finished epochs.
        quiet_seconds: Time since its last batch, if that is long; else None.
    """

    epochs: int
    quiet_seconds: float | None = None


def publish(store: Store, run: str, trials: Mapping[str, Running]) -> None:
    """Publishes the running trials of a driver, by key.

    Raises:
        StoreError: The store cannot be written.
    """
    entries = {key: dataclasses.asdict(trial) for key, trial in trials.items()}
    store.folder.write(f"{FOLDER}/{run}.json", json.dumps(entries).encode())


def withdraw(store: Store, run: str | None = None) -> None:
    """Deletes the file of a driver, if one is named, and those of dead drivers.

    Raises:
        StoreError: The store cannot be written.
    """
    for info in store.folder.list(FOLDER):
        stale = NAME.fullmatch(info.path) and not is_fresh(info.modified_ns)
        if stale or info.path == f"{FOLDER}/{run}.json":
            store.folder.delete(info.path)


def running(store: Store) -> dict[str, Running]:
    """Trials that are running now, by key."""
    found: dict[str, Running] = {}
    for info in store.folder.list(FOLDER):
        if is_fresh(info.modified_ns):
            try:
                trials = read(store.folder.read(info.path))
            except (FileNotFoundError, ValueError):
                continue  # Withdrawn since the listing, or not ours.
            age = max(0.0, time.time() - info.modified_ns / 1e9)
            for key, run in trials.items():
                quiet = None if run.quiet_seconds is None else run.quiet_seconds + age
                found[key] = dataclasses.replace(run, quiet_seconds=quiet)
    return found


def read(content: bytes) -> dict[str, Running]:
    """Parses a driver's file: running trials by key. Raises ValueError for anything else."""
    try:
        # A later version may have more entries.
        runs = {key: Running(run["epochs"], run["quiet_seconds"]) for key, run in json.loads(content).items()}
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError("it does not list trials by key") from error
    for run in runs.values():
        numbers = [run.epochs] if run.quiet_seconds is None else [run.epochs, run.quiet_seconds]
        if not all(isinstance(number, int | float) and 0 <= number < math.inf for number in numbers):
            raise ValueError("its epochs or seconds are not numbers")
    return runs


def overlaid(survey: Survey, runs: Collection[str]) -> Survey:
    """The survey with running trials shown as running instead of missing or interrupted."""
    states = {
        key: State.RUNNING if key in runs and state in (State.MISSING, State.INTERRUPTED) else state
        for key, state in survey.states.items()
    }
    return dataclasses.replace(survey, states=states)


def is_fresh(modified_ns: int) -> bool:
    """Whether a driver that wrote at this time is still active."""
    return abs(time.time() - modified_ns / 1e9) < FRESH_SECONDS
