"""The states of a sweep's trials, determined from the files in the store."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from results.store import copies, rows, scored_sets
from results.store.address import stem
from results.store.data_files import digest_column, listed_path, sha256
from results.store.snapshot import SCORED, TRIALS, RowFolder, Snapshot, side_by_side
from trainables.trial import Trial

DATA = ("predictions", "epochs")
"""Kinds of data that a trial's row refers to."""

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
    """Determines the state of each trial. A trial is done only if its row and data are the committed bytes.

    The same holds for its predictions on each set out of distribution. On a file system the digests are
    checked. In an object store, which checks its objects itself, data only has to exist: checking would
    download all of it each time. `store verify` does so.
    """
    wanted = list(trials)
    of_scored = [SCORED.name, scored_sets.PREDICTIONS] if any(trial.score_on for trial in wanted) else []
    kinds = [TRIALS.name, *DATA, "failures", *of_scored]
    # List them in parallel.
    snapshot.listed("checkpoints", copies.FOLDER, *(f for kind in kinds for f in snapshot.folders(kind)))
    places = (info.path.split("/") for info in snapshot.listed("checkpoints"))
    checkpointed = {place[1] for place in places if CHECKPOINT_NAME.fullmatch("/".join(place[2:]))}

    # By key only: a loss's label may have changed since the commit, and is not part of a trial's identity.
    finished, damaged = _committed(snapshot, TRIALS, DATA, {trial.key for trial in wanted})
    # Failures before a result do not count, even if that result must be recomputed.
    never = [t.key for t in wanted if t.key not in finished and t.key not in damaged]
    failures, damaged_records = _failures(snapshot, never)
    damaged.update(damaged_records)
    states: dict[str, State] = {}
    for key in (trial.key for trial in wanted):
        own_fault = key in failures and failures[key].failure_class != "preempted"
        if key in finished:
            states[key] = State.DONE
        elif own_fault:
            states[key] = State.FAILED
        else:
            states[key] = State.INTERRUPTED if key in checkpointed else State.MISSING
    if of_scored:
        asked = {t.key: [scored_sets.scored_key(t.key, each) for each in t.score_on] for t in wanted}
        keys = {key for each in asked.values() for key in each}
        scored, bad = _committed(snapshot, SCORED, (scored_sets.PREDICTIONS,), keys)
        for key, sets in asked.items():
            if paths := [path for each in sets for path in bad.get(each, ())]:
                damaged[key] = (*damaged.get(key, ()), *paths)
            if states[key] == State.DONE and not scored.keys() >= set(sets):
                states[key] = State.INTERRUPTED if key in checkpointed else State.MISSING
    leftover = tuple(t.key for t in wanted if t.key in checkpointed and states[t.key] == State.DONE)
    return Survey(states, failures, damaged, leftover)


def _committed(
    snapshot: Snapshot, of: RowFolder, kinds: Sequence[str], keys: Set[str]
) -> tuple[dict[str, _Row], dict[str, tuple[str, ...]]]:
    """Rows by key that are intact with all their data, and the files of the others."""
    found = snapshot.rows(of)
    columns = ("key", "source_path", *(digest_column(kind) for kind in kinds))
    whole = {
        key: _Row(path, dict(zip(kinds, digests, strict=True)))
        for key, path, *digests in zip(*(found.frame[name].tolist() for name in columns), strict=True)
        if key in keys
    }
    damaged: dict[str, tuple[str, ...]] = {
        key: (path,)
        for path in found.damaged
        # An intact row takes precedence over a copy of it elsewhere.
        if (key := stem(path)) in keys and key not in whole
    }
    bad = _bad_data(snapshot, list(whole.values()), kinds)
    # A row without its data does not count.
    damaged.update((key, (*bad[row.path], row.path)) for key, row in whole.items() if row.path in bad)
    return {key: row for key, row in whole.items() if key not in damaged}, damaged


def _bad_data(snapshot: Snapshot, committed: Sequence[_Row], kinds: Sequence[str]) -> dict[str, list[str]]:
    """Missing or altered data, by the path of its row."""

    def data() -> list[tuple[_Row, str, str, bool]]:
        present = {info.path for info in snapshot.files(*kinds)}
        found = []
        for row in committed:
            for kind, digest in row.digests.items():
                path = listed_path(row.path, kind, digest, present)
                found.append((row, path, digest, path in present))
        return found

    expected = data()
    if not all(there for *_, there in expected):
        # It may have been written, with its row, since the listing.
        snapshot.forget(*kinds)
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


def _failures(
    snapshot: Snapshot, keys: Iterable[str]
) -> tuple[dict[str, Failure], dict[str, tuple[str, ...]]]:
    """The latest failed attempt at each failed trial, and the damaged records after it."""
    attempts: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for info in snapshot.files("failures"):
        name = FAILURE_NAME.fullmatch(info.path.rsplit("/", 1)[1])
        if name:
            attempts[name[1]].append((int(name[2]), info.path))
    failed = [key for key in keys if key in attempts]

    def read(key: str) -> tuple[Failure | None, tuple[str, ...]]:
        damaged: list[str] = []
        for attempt, path in sorted(attempts[key], reverse=True):
            try:
                fields = rows.failure_fields(snapshot.folder.read(path))
            except FileNotFoundError:
                continue
            except rows.DamagedFileError:
                fields = {}
            if (fields.get("key"), fields.get("attempt")) == (key, attempt):
                return Failure(**fields), tuple(damaged)
            damaged.append(path)
        return None, tuple(damaged)

    found = dict(zip(failed, side_by_side(snapshot.folder, read, failed), strict=True))
    return (
        {key: failure for key, (failure, _) in found.items() if failure},
        {key: paths for key, (_, paths) in found.items() if paths},
    )
