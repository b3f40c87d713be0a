"""The problems found by `store verify`, kept in the store for the next `plan` and `run`.

    findings/latest.json   the files with problems

A run neither reads all data of an object store nor scores a trial again. It inspects these files as closely
as `store verify` did, and repairs those that still have problems: so the list is only a hint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from results.store import pilots, running
from results.store.address import stem
from results.store.errors import StoreError
from results.store.files import Folder
from results.store.finding import DAMAGED, DIFFERING, NEWER, UNREADABLE
from results.store.inspection import Inspection, inspect_again, key_of, row_of
from results.store.store import Store
from results.store.survey import State, Survey
from trainables.trial import Trial

FOLDER = "findings"
PATH = f"{FOLDER}/latest.json"

OF_ALL_SWEEPS = ("compacted", pilots.FOLDER, running.FOLDER)
"""Folders that any run repairs."""


@dataclasses.dataclass(frozen=True)
class Mending:
    """The repairs of a sweep's next run, from the findings of `store verify`.

    Attributes:
        inspected: The files that were inspected again.
        damaged: Files of trials to recompute, by key.
        aside: Other damaged files: they are set aside, and the run does not need them.
        differing: Rows whose scores do not match their logits, with the differences.
    """

    inspected: tuple[str, ...] = ()
    damaged: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    aside: tuple[str, ...] = ()
    differing: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def added_to(self, survey: Survey) -> Survey:
        """The survey, with trials to recompute as missing."""
        damaged, states = dict(survey.damaged), dict(survey.states)
        for key, paths in self.damaged.items():
            damaged[key] = tuple(dict.fromkeys((*damaged.get(key, ()), *paths)))
            if states[key] == State.DONE:
                states[key] = State.INTERRUPTED if key in survey.leftover else State.MISSING
        leftover = tuple(key for key in survey.leftover if states[key] == State.DONE)
        return Survey(states, survey.failures, damaged, leftover)

    def others(self, survey: Survey) -> list[str]:
        """The files to set aside that the survey does not name."""
        named = {path for paths in survey.damaged.values() for path in paths}
        return [path for path in self.aside if path not in named]


def keep(inspection: Inspection) -> None:
    """Stores the problems found by an inspection, in place of the earlier ones.

    Raises:
        StoreError: The store cannot be written.
    """
    paths = sorted({finding.path for finding in inspection.findings if finding.kind.wrong})
    _write(inspection.store.folder, paths)


def mending(store: Store, trials: Iterable[Trial]) -> Mending:
    """Inspects the files of a sweep with earlier findings again. Without findings this takes one request.

    Raises:
        StoreError: The store cannot be read.
    """
    found = _kept(store.folder)
    if not found:
        return Mending()
    asked = {t.key: {t.key_on(each) for each in (None, *t.evaluations)} for t in trials}
    mine = tuple(path for path in found if _concerns(path, asked))
    if not mine:
        return Mending()
    damaged: dict[str, list[str]] = defaultdict(list)
    differing: dict[str, list[str]] = defaultdict(list)
    aside = []
    for finding in inspect_again(store, mine).findings:
        row_path = row_of(finding.path)
        if finding.kind == DIFFERING:
            differing[finding.path].append(finding.detail)
        elif finding.kind == DAMAGED and row_path is not None:
            # A row without its data does not count.
            damaged[key_of(row_path)] += [finding.path, row_path]
        elif finding.kind.wrong and finding.kind not in (NEWER, UNREADABLE):
            aside.append(finding.path)
    return Mending(
        mine,
        {key: tuple(dict.fromkeys(paths)) for key, paths in damaged.items()},
        tuple(aside),
        {path: "; ".join(details) for path, details in differing.items()},
    )


def mend(store: Store, survey: Survey, found: Mending) -> dict[str, str]:
    """Sets damaged files aside, and rewrites rows whose scores do not match their logits.

    Args:
        survey: Its damaged files are set aside too. It must include `found`.

    Returns:
        Trials whose damaged files could not be moved, so that they cannot be recomputed now: reasons by key.

    Raises:
        StoreError: The store cannot be written.
    """
    stuck = {}
    for key, paths in survey.damaged.items():
        try:
            store.set_aside(paths)
        except StoreError as error:
            stuck[key] = str(error)
    store.tidying.attempt(lambda: store.set_aside(found.others(survey)))
    if found.differing:
        from results.scoring.commit import rescore

        for path in found.differing:
            rescore(store, path)
    if found.inspected and not stuck:
        _write(store.folder, [path for path in _kept(store.folder) if path not in set(found.inspected)])
    return stuck


def _write(folder: Folder, paths: Sequence[str]) -> None:
    if paths:
        folder.write(PATH, json.dumps({"wrong": paths}, indent=1).encode())
    elif folder.exists(PATH):
        with contextlib.suppress(StoreError), folder.briefly():
            # It is only a hint.
            folder.delete(PATH)


def _kept(folder: Folder) -> list[str]:
    try:
        paths = json.loads(folder.read(PATH))["wrong"]
        return [path for path in paths if isinstance(path, str)]
    except (FileNotFoundError, ValueError, LookupError, RecursionError, TypeError):
        return []  # It does not exist, or is not ours.


def _concerns(path: str, asked: Mapping[str, Collection[str]]) -> bool:
    """Whether a run repairs a file.

    Args:
        asked: The keys of its trials, each with the keys of all its evaluations.
    """
    kind, _, rest = path.partition("/")
    if kind in OF_ALL_SWEEPS:
        return True
    if kind == "checkpoints":
        return rest.partition("/")[0] in asked
    row_path = row_of(path)
    return key_of(path) in asked if row_path is None else stem(row_path) in asked.get(key_of(row_path), ())
