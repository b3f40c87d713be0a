"""Joins stores: copies what one has and another lacks, and never decides between different numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.store import data_files, pruned, rows
from results.store.address import DATA, Address, trial_key
from results.store.errors import StoreError
from results.store.snapshot import side_by_side
from results.store.store import Store

AT_ONCE = 64
"""Evaluations copied between two calls of `progress`."""


@dataclass(frozen=True)
class Origin:
    """Where the numbers of a trial were made: its store, and as far as recorded the machine and commit."""

    store: str
    host: str
    processor: str
    commit: str


@dataclass(frozen=True)
class Conflict:
    """A trial whose numbers differ between stores: none of them is copied.

    Attributes:
        key: Of the trial, or of its further evaluation.
        origins: One for each store with the trial.
    """

    key: str
    dataset: str
    model: str
    loss: str
    seed: int
    origins: tuple[Origin, ...]


@dataclass(frozen=True)
class Merged:
    """Attributes:
    copied: Number of copied evaluations: of trials on the test set, and their further ones.
    stopped: Number of copied curves of trials that a search stopped early.
    present: Number that the target had before, with the same numbers.
    conflicts: Those with different numbers.
    unreadable: Full names of files that were not copied: damaged ones, and rows that lack their data.
    """

    copied: int
    stopped: int
    present: int
    conflicts: tuple[Conflict, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    store: Store
    row: Mapping[str, Any]

    @property
    def numbers(self) -> tuple[object, ...]:
        """The digests of logits and curves: equal for the same numbers."""
        kinds = (data_files.digest_column(kind) for kind in ("predictions", "epochs"))
        return tuple(str(self.row.get(column)) for column in kinds)

    @property
    def origin(self) -> Origin:
        recorded = (self.row.get(name) for name in ("host", "processor", "source_commit"))
        host, processor, commit = ("" if value != value else str(value or "") for value in recorded)
        return Origin(self.store.uri, host, processor, commit)


def merge(sources: Sequence[Store], target: Store, progress: Callable[[int, int], object]) -> Merged:
    """Copies the finished trials of some stores, with their further evaluations, into another.

    Each is written like any commit, its row last; rerun after an interruption. The curves of trials that a
    search stopped early are copied too; failures, checkpoints and derived scores are not.

    Args:
        progress: Called with the number of evaluations copied and that to copy.

    Raises:
        StoreError: A store cannot be read, or the target cannot be written.
    """
    by_key: dict[str, list[_Found]] = defaultdict(list)
    unreadable: list[str] = []
    curves: dict[str, Store] = {}
    for store in (target, *sources):
        snapshot = store.snapshot()
        for paths in pruned.paths(snapshot).values():
            curves |= {path: store for path in paths if path not in curves}
        frame = snapshot.evaluations()
        unreadable += [store.folder.name(path) for path in frame.attrs["damaged"]]
        for row in frame.to_dict("records"):
            by_key[str(row["key"])].append(_Found(store, {str(name): value for name, value in row.items()}))
    conflicts = {key: found for key, found in by_key.items() if len({each.numbers for each in found}) > 1}
    to_copy = [
        found[0]
        for key, found in by_key.items()
        if found[0].store is not target and key not in conflicts and trial_key(key) not in conflicts
    ]
    lost: list[str] = []
    for start in range(0, len(to_copy), AT_ONCE):
        progress(start, len(to_copy))
        part = to_copy[start : start + AT_ONCE]
        lost += [name for name in side_by_side(target.folder, lambda each: _copy(each, target), part) if name]
    progress(len(to_copy), len(to_copy))
    new_curves = [(store, path) for path, store in curves.items() if store is not target]
    lost_curves = side_by_side(target.folder, lambda each: _copy_curves(*each, target), new_curves)
    lost_curves = [name for name in lost_curves if name]
    return Merged(
        copied=len(to_copy) - len(lost),
        stopped=len(new_curves) - len(lost_curves),
        present=sum(found[0].store is target for key, found in by_key.items() if key not in conflicts),
        conflicts=tuple(_conflict(key, found) for key, found in sorted(conflicts.items())),
        unreadable=tuple(dict.fromkeys([*unreadable, *lost, *lost_curves])),
    )


def _copy(found: _Found, target: Store) -> str:
    """Copies an evaluation. Returns the name of its row if that or its data cannot be read; else ''."""
    source = found.store.folder
    address = Address(*(str(found.row[name]) for name in ("dataset", "model", "loss", "key")))
    try:
        row_path, content, row = data_files.committed_content(source, address)
        data = {
            kind: data_files.content_of(
                source, row_path, kind, row[data_files.digest_column(kind)][0].as_py()
            )
            for kind in DATA[row_path.partition("/")[0]]
        }
    except StoreError:
        return source.name(address.row)
    data_files.commit(target.folder, row_path, content, data)
    return ""


def _copy_curves(store: Store, path: str, target: Store) -> str:
    """Copies the curves of a stopped trial. Returns their name if they cannot be read; else ''."""
    try:
        content = store.folder.read(path)
        pruned.checked(path, content)
    except (rows.DamagedFileError, FileNotFoundError):
        return store.folder.name(path)
    target.folder.write(path, content)
    return ""


def _conflict(key: str, found: Sequence[_Found]) -> Conflict:
    row = found[0].row
    dataset, model, loss = (str(row[name]) for name in ("dataset", "model", "loss"))
    return Conflict(key, dataset, model, loss, int(row["seed"]), tuple(each.origin for each in found))
