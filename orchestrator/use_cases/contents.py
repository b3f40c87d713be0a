"""Lists the contents of a store, from its rows and file sizes alone."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from results.store import rows
from results.store.address import DATA, DATA_FOLDERS
from results.store.errors import StoreError
from results.store.snapshot import Snapshot, side_by_side
from results.store.store import Store

KEYED = (*DATA, *DATA_FOLDERS)
"""Kinds of files whose names begin with their trial's key."""

OTHERS = ("rescored", "failures", "compacted", "damaged", "checkpoints")

PROGRAMS = ("calibsweep", "torch", "ray", "python")


@dataclass(frozen=True)
class Cell:
    """Trials of one data set, model and loss with equal training settings.

    Attributes:
        training: The training settings that differ between trials of this data set, model and loss.
        done, failed: Seeds, in order.
        size: Total size of its trials' files, in bytes.
    """

    dataset: str
    model: str
    loss: str
    training: Mapping[str, Any]
    done: tuple[int, ...]
    failed: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Contents:
    """Attributes:
    store: Its address.
    cells: Sorted by data set, model and loss.
    done, failed: Numbers of trials.
    size: Total size of all files, in bytes.
    versions: By program: the number of finished trials made by each of its versions.
    commits: The number of finished trials made by each commit of calibsweep's source.
    damaged: Full names of damaged rows, which are omitted.
    """

    store: str
    cells: tuple[Cell, ...]
    done: int
    failed: int
    size: int
    versions: Mapping[str, Mapping[str, int]]
    commits: Mapping[str, int]
    damaged: tuple[str, ...]


@dataclass
class _Group:
    training: Mapping[str, Any]
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    size: int = 0


def contents(store: str) -> Contents:
    """Returns finished and failed seeds, and file sizes, by data set, model and loss.

    Raises:
        StoreError: The store cannot be read, or has no trial.
    """
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot()
    frame = snapshot.trials()
    kept = ["dataset", "model", "loss", "seed", "identity", "key"]
    done: list[Any] = frame[kept].to_dict("records")
    finished = {row["key"] for row in done}
    failed = _failed(snapshot, finished)
    if not done and not failed:
        raise StoreError(f"no trial in the store {store}: run a sweep first, or choose another --store.")
    sizes = _sizes(snapshot)
    others = sum(info.size for info in snapshot.listed(*OTHERS))
    versions = {
        program: _counts(frame[f"version_{program}"]) for program in PROGRAMS if f"version_{program}" in frame
    }
    return Contents(
        store,
        tuple(_cells([*done, *failed], finished, sizes)),
        len(done),
        len(failed),
        sum(sizes.values()) + others,
        versions,
        _counts(frame["source_commit"]) if "source_commit" in frame else {},
        tuple(opened.folder.name(path) for path in frame.attrs["damaged"]),
    )


def _cells(trials: Sequence[Any], finished: set[str], sizes: Mapping[str, int]) -> Iterable[Cell]:
    by_loss: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for row in trials:
        by_loss[row["dataset"], row["model"], row["loss"]].append(row)
    for place, own in sorted(by_loss.items()):
        groups: dict[str, _Group] = {}
        for row, training in zip(own, _unlike(own), strict=True):
            group = groups.setdefault(json.dumps(training), _Group(training))
            (group.done if row["key"] in finished else group.failed).add(row["seed"])
            group.size += sizes[row["key"]]
        for _, group in sorted(groups.items()):
            yield Cell(
                *place, group.training, tuple(sorted(group.done)), tuple(sorted(group.failed)), group.size
            )


def _unlike(alike: Sequence[Any]) -> list[dict[str, Any]]:
    """For each trial, the training settings in which the trials differ."""
    training = [json.loads(row["identity"])["training"] for row in alike]
    names = dict.fromkeys(name for settings in training for name in settings)
    varied = [name for name in names if len({json.dumps(settings.get(name)) for settings in training}) > 1]
    return [{name: settings[name] for name in varied if name in settings} for settings in training]


def _failed(snapshot: Snapshot, finished: set[str]) -> list[Any]:
    """One failed attempt's row for each unfinished trial."""
    paths: dict[str, str] = {}
    for info in snapshot.files("failures"):
        key = _key(info.path)
        if key not in finished:
            paths.setdefault(key, info.path)

    def read(path: str) -> Any:
        try:
            (row,) = rows.from_parquet(snapshot.folder.read(path)).to_pylist()
            return {name: row[name] for name in ("dataset", "model", "loss", "seed", "identity", "key")}
        except (FileNotFoundError, rows.DamagedFileError, ValueError, KeyError):
            return None

    return [row for row in side_by_side(snapshot.folder, read, list(paths.values())) if row]


def _sizes(snapshot: Snapshot) -> Counter[str]:
    """Total size of each trial's files in bytes, by key."""
    sizes: Counter[str] = Counter()
    for info in snapshot.files(*KEYED):
        sizes[_key(info.path)] += info.size
    return sizes


def _key(path: str) -> str:
    name = path.rsplit("/", 1)[1]
    found = re.match(r"[0-9a-f]+", name)
    return found[0] if found else name


def _counts(values: Iterable[object]) -> dict[str, int]:
    """Counts each value, the most frequent first."""
    return dict(Counter(str(value) for value in values if isinstance(value, str)).most_common())
