"""The states of a sweep's trials, determined from the files in the store."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from results.store import copies, rows
from results.store.address import stem
from results.store.data_files import digest_column, listed_path, sha256
from results.store.snapshot import OTHERS, TRIALS, RowFolder, Snapshot, side_by_side
from trainables.trial import Trial

FAILURE_NAME = re.compile(r"([0-9a-f]+)-([0-9]+)\.parquet")
CHECKPOINT_NAME = re.compile(r"[0-9.]+-[0-9a-f]+\.pt")


class State(StrEnum):
    """State of a trial. The store determines all but `RUNNING`, which comes from `results.store.running`."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSING = "missing"


@dataclass(frozen=True)
class Failure:
    """One failed attempt at a trial."""

    key: str
    attempt: int
    failure_class: str
    message: str
    traceback: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Failure:
        """From the columns of its row."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Survey:
    """The states of a list of trials, by key.

    Attributes:
        damaged: The files of a trial, or records of its failures, whose bytes are not the committed bytes.
        leftover: Finished trials that still have checkpoints: a process died before it could tidy up.
    """

    states: Mapping[str, State]
    failures: Mapping[str, Failure]
    damaged: Mapping[str, tuple[str, ...]]
    leftover: tuple[str, ...]

    def count(self, state: State) -> int:
        return sum(found == state for found in self.states.values())


@dataclass(frozen=True)
class _Row:
    """An intact row, and the digests of its data by kind."""

    path: str
    digests: Mapping[str, str]


def survey(snapshot: Snapshot, trials: Iterable[Trial]) -> Survey:
    """Determines the state of each trial.

    A trial is done only if the rows and data of all its evaluations are the committed bytes. On a file system
    the digests are checked. In an object store, which checks its objects itself, data only has to exist:
    checking would download all of it each time. `store verify` does so.
    """
    listed = list(trials)
    kinds = [TRIALS, *([OTHERS] if any(trial.evaluations for trial in listed) else [])]
    names = dict.fromkeys(name for of in kinds for name in (*of.names, *of.data_folders))
    # List them in parallel.
    folders = (folder for name in (*names, "failures") for folder in snapshot.folders(name))
    snapshot.listed("checkpoints", copies.FOLDER, *folders)
    places = (info.path.split("/") for info in snapshot.listed("checkpoints"))
    checkpointed = {place[1] for place in places if CHECKPOINT_NAME.fullmatch("/".join(place[2:]))}

    # By key only: a loss's label may have changed since the commit, and is not part of a trial's identity.
    asked = {t.key: {t.key_on(each) for each in (None, *t.evaluations)} for t in listed}
    keys = {key for rows_of in asked.values() for key in rows_of}
    finished: set[str] = set()
    by_row: dict[str, tuple[str, ...]] = {}
    for of in kinds:
        whole, bad = _committed(snapshot, of, keys)
        finished |= whole
        by_row |= bad
    damaged = {
        key: paths
        for key, rows_of in asked.items()
        if (paths := tuple(path for each in sorted(rows_of) for path in by_row.get(each, ())))
    }
    # Failures before a result do not count, even if that result must be recomputed.
    never = [key for key in asked if key not in finished and key not in by_row]
    records, damaged_records = latest_failures(snapshot, set(never).__contains__)
    failures = {key: Failure.of(records[key]) for key in never if key in records}
    for key in never:
        if paths := damaged_records.get(key, ()):
            damaged[key] = (*damaged.get(key, ()), *paths)
    states: dict[str, State] = {}
    for key, rows_of in asked.items():
        own_fault = key in failures and failures[key].failure_class != "preempted"
        if rows_of <= finished:
            states[key] = State.DONE
        elif own_fault:
            states[key] = State.FAILED
        else:
            states[key] = State.INTERRUPTED if key in checkpointed else State.MISSING
    leftover = tuple(t.key for t in listed if t.key in checkpointed and states[t.key] == State.DONE)
    return Survey(states, failures, damaged, leftover)


def attempted(snapshot: Snapshot) -> set[str]:
    """Keys of the trials with a failed attempt, whatever became of them."""
    names = (FAILURE_NAME.fullmatch(info.path.rsplit("/", 1)[1]) for info in snapshot.files("failures"))
    return {name[1] for name in names if name}


def _committed(
    snapshot: Snapshot, of: RowFolder, keys: Set[str]
) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """Keys of rows that are intact with all their data, and the files of the others by key."""
    found = snapshot.rows(of)
    columns = ("key", "source_path", *(digest_column(kind) for kind in of.data))
    whole = {
        key: _Row(path, dict(zip(of.data, digests, strict=True)))
        for key, path, *digests in zip(*(found.frame[name].tolist() for name in columns), strict=True)
        if key in keys
    }
    damaged: dict[str, tuple[str, ...]] = {
        key: (path,)
        for path in found.damaged
        # An intact row takes precedence over a copy of it elsewhere.
        if (key := stem(path)) in keys and key not in whole
    }
    bad = _bad_data(snapshot, list(whole.values()), of.data_folders)
    # A row without its data does not count.
    damaged.update((key, (*bad[row.path], row.path)) for key, row in whole.items() if row.path in bad)
    return whole.keys() - damaged.keys(), damaged


def _bad_data(snapshot: Snapshot, committed: Sequence[_Row], folders: Sequence[str]) -> dict[str, list[str]]:
    """Missing or altered data, by the path of its row."""

    def data() -> list[tuple[_Row, str, str, bool]]:
        present = {info.path for info in snapshot.files(*folders)}
        found = []
        for row in committed:
            for kind, digest in row.digests.items():
                path = listed_path(row.path, kind, digest, present)
                found.append((row, path, digest, path in present))
        return found

    expected = data()
    if not all(there for *_, there in expected):
        # It may have been written, with its row, since the listing.
        snapshot.forget(*folders)
        expected = data()
    if snapshot.folder.is_local:

        def whole(path: str, digest: str) -> bool:
            try:
                return sha256(snapshot.folder.read(path)) == digest
            except FileNotFoundError:
                return False

        there = side_by_side(snapshot.folder, lambda each: each[3] and whole(each[1], each[2]), expected)
    else:
        there = [each[3] for each in expected]
    bad: dict[str, list[str]] = defaultdict(list)
    for (row, path, *_), good in zip(expected, there, strict=True):
        if not good:
            bad[row.path].append(path)
    return bad


def latest_failures(
    snapshot: Snapshot, is_wanted: Callable[[str], bool]
) -> tuple[dict[str, Mapping[str, Any]], dict[str, tuple[str, ...]]]:
    """The latest failed attempt at each failed trial, and the files of damaged records after it, by key.

    Args:
        is_wanted: Whether the trial with this key counts.

    Returns:
        The columns of `rows.FAILURE_SCHEMA` of each attempt, and paths.
    """
    attempts: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for info in snapshot.files("failures"):
        name = FAILURE_NAME.fullmatch(info.path.rsplit("/", 1)[1])
        if name:
            attempts[name[1]].append((int(name[2]), info.path))
    failed = [key for key in attempts if is_wanted(key)]

    def read(key: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        damaged: list[str] = []
        for attempt, path in sorted(attempts[key], reverse=True):
            try:
                record = rows.failure_fields(snapshot.folder.read(path))
            except FileNotFoundError:
                continue
            except rows.DamagedFileError:
                record = {}
            if (record.get("key"), record.get("attempt")) == (key, attempt):
                return record, tuple(damaged)
            damaged.append(path)
        return {}, tuple(damaged)

    found = dict(zip(failed, side_by_side(snapshot.folder, read, failed), strict=True))
    return (
        {key: record for key, (record, _) in found.items() if record},
        {key: paths for key, (_, paths) in found.items() if paths},
    )
