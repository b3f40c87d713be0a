"""`calibsweep store ls`: what a store holds, from its rows and the sizes of its files alone."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from results.store import rows
from results.store.errors import StoreError
from results.store.snapshot import Snapshot, side_by_side
from results.store.store import Store
from results.wording import counted, size

KEYED = ("predictions", "epochs", "trials")
"""The kinds of files that begin with the key of the trial that they are of."""

OTHERS = ("scored", "scored_predictions", "failures", "compacted", "damaged", "checkpoints")


@dataclass
class Group:
    """Trials of one data set, model and loss that are trained alike."""

    done: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    size: int = 0


def show(uri: str, console: Console) -> int:
    """Prints a line for each data set, model and loss: which seeds are done and failed, and the size.

    Returns the exit code, 0.

    Raises:
        StoreError: A store that cannot be read, or in which there is no trial.
    """
    store = Store(uri)
    store.check_place()
    snapshot = store.snapshot()
    frame = snapshot.trials()
    kept = ["dataset", "model", "loss", "seed", "identity", "key"]
    done: list[Any] = frame[kept].to_dict("records")
    failed = _failed(snapshot, {row["key"] for row in done})
    if not done and not failed:
        raise StoreError(
            f"there is no trial in the store {uri}: run a sweep first, or choose another --store."
        )
    sizes = _sizes(snapshot)
    cells: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in [*done, *failed]:
        cells[row["dataset"], row["model"]].append(row)
    finished = {row["key"] for row in done}
    for (dataset, model), own in sorted(cells.items()):
        console.print(f"{dataset} / {model}", style="bold", soft_wrap=True)
        console.print(_cell(own, finished, sizes))
        console.print()
    others = sum(info.size for info in snapshot.listed(*OTHERS))
    total = size(sum(sizes.values()) + others)
    told = f"{counted(len(done), 'trial')} done, {len(failed)} failed; {total} in {uri}"
    console.print(told, soft_wrap=True)
    for name in ("calibsweep", "torch", "ray", "python"):
        if f"version_{name}" in frame:
            versions = _counts(frame[f"version_{name}"].dropna())
            console.print(f"{name} {versions}", style="quiet", soft_wrap=True)
    if "source_commit" in frame:
        commits = _counts(str(commit)[:12] for commit in frame["source_commit"].dropna())
        console.print(f"commit {commits}", style="quiet", soft_wrap=True)
    for path in frame.attrs["damaged"]:
        console.print(f"damaged and left out: {store.folder.name(path)}", style="warning", soft_wrap=True)
    return 0


def _cell(own: Sequence[Any], finished: set[str], sizes: Counter[str]) -> Table:
    groups: dict[tuple[str, str], Group] = defaultdict(Group)
    by_loss: dict[str, list[Any]] = defaultdict(list)
    for row in own:
        by_loss[row["loss"]].append(row)
    for loss, alike in by_loss.items():
        for row, said in zip(alike, _unlike(alike), strict=True):
            group = groups[loss, said]
            (group.done if row["key"] in finished else group.failed).append(row["seed"])
            group.size += sizes[row["key"]]
    varied = any(said for _, said in groups)
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ["loss", *(["trained with"] if varied else []), "seeds done", "failed", "size"]
    for name in columns:
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for (loss, said), group in sorted(groups.items()):
        middle = [said] if varied else []
        table.add_row(loss, *middle, _seeds(group.done), _seeds(group.failed), size(group.size))
    return table


def _unlike(alike: Sequence[Any]) -> list[str]:
    """For each of some trials its training settings that not all of them share, in words."""
    training = [json.loads(row["identity"])["training"] for row in alike]
    names = dict.fromkeys(name for settings in training for name in settings)
    varied = [name for name in names if len({json.dumps(settings.get(name)) for settings in training}) > 1]
    return [
        ", ".join(f"{name}={json.dumps(settings[name])}" for name in varied if name in settings)
        for settings in training
    ]


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


def _seeds(seeds: Iterable[int]) -> str:
    """'5: 0-3, 7': how many, and which."""
    ordered = sorted(set(seeds))
    runs = []
    for _, group in itertools.groupby(enumerate(ordered), key=lambda each: each[1] - each[0]):
        numbers = [seed for _, seed in group]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return f"{len(ordered)}: {', '.join(runs)}" if ordered else "-"


def _counts(values: Iterable[object]) -> str:
    """'2.13.0', or where there are several how many trials were made by each."""
    counts = Counter(map(str, values))
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({counted(number, 'trial')})" for value, number in counts.most_common())
