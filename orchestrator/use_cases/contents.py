"""The contents of a store, from its rows and the sizes of its files alone."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from results.store import rows
from results.store.errors import StoreError
from results.store.snapshot import Snapshot, side_by_side
from results.store.store import Store

KEYED = ("predictions", "epochs", "trials")
"""The kinds of files that begin with the key of the trial that they are of."""

OTHERS = ("scored", "scored_predictions", "rescored", "failures", "compacted", "damaged", "checkpoints")

PROGRAMS = ("calibsweep", "torch", "ray", "python")


@dataclass(frozen=True)
class Cell:
    """Trials of one data set, model and loss that are trained alike.

    Attributes:
        training: The training settings that not all trials of this data set, model and loss share.
        done, failed: Seeds, in order.
        size: Of the files of its trials, in bytes.
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
    cells: By data set, model and loss.
    done, failed: Numbers of trials.
    size: Of all files, in bytes.
    versions: By program, how many finished trials were made by each of its versions.
    commits: How many finished trials were made by each commit of calibsweep's source.
    damaged: Full names of rows that are damaged and left out.
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
    """Which seeds of each data set, model and loss are done and failed, and how large their files are.

    Raises:
        StoreError: A store that cannot be read, or in which there is no trial.
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
        raise StoreError(
            f"there is no trial in the store {store}: run a sweep first, or choose another --store."
        )
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
    """For each of some trials its training settings that not all of them share."""
    training = [json.loads(row["identity"])["training"] for row in alike]
    names = dict.fromkeys(name for settings in training for name in settings)
    varied = [name for name in names if len({json.dumps(settings.get(name)) for settings in training}) > 1]
    return [{name: settings[name] for name in varied if name in settings} for settings in training]


def _failed(snapshot: Snapshot, finished: set[str]) -> list[Any]:
    """The row of one failed attempt at each trial that is not done."""
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
    """Bytes of the files of each trial, by its key."""
    sizes: Counter[str] = Counter()
    for info in snapshot.files(*KEYED):
        sizes[_key(info.path)] += info.size
    return sizes


def _key(path: str) -> str:
    name = path.rsplit("/", 1)[1]
    found = re.match(r"[0-9a-f]+", name)
    return found[0] if found else name


def _counts(values: Iterable[object]) -> dict[str, int]:
    """How often each value is there, the most frequent first."""
    return dict(Counter(str(value) for value in values if isinstance(value, str)).most_common())
