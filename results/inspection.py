"""Every file of a store held against what it should be: what is damaged, what does not follow, what lies
about.

Nothing is changed. One finding does not end it: all are told, each with what the next `run` would make of it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from results import data_files, pilots, rows, running, scored_sets
from results.checkpoints import CHECKPOINT_NAME, DIGEST_LENGTH
from results.data_files import sha256
from results.errors import StoreError
from results.files import TEMPORARY, FileInfo
from results.store import COMPACTED_NAME, FAILURE_NAME, Store

ROW_NAME = re.compile(r"([0-9a-f]+)\.parquet")
SCORED_NAME = re.compile(r"([0-9a-f]+)-([0-9a-f]+)\.parquet")
DATA_NAME = re.compile(r"([0-9a-f]+)(-[0-9a-f]{16})?\.parquet")
SCORED_DATA_NAME = re.compile(r"([0-9a-f]+-[0-9a-f]+?)(-[0-9a-f]{16})?\.parquet")

DATA_OF = {"predictions": "trials", "epochs": "trials", scored_sets.PREDICTIONS: scored_sets.ROWS}
"""Of which rows each kind of data is."""

NOT_INSPECTED = ("tables", "tensorboard")
"""Folders for people to look at, which nothing reads."""


@dataclass(frozen=True)
class Kind:
    """What may be found.

    Attributes:
        title: As a heading has it.
        follows: What the next `run` would make of it.
        wrong: Whether something is damaged or false. Else it only lies about.
    """

    title: str
    follows: str
    wrong: bool = True


DAMAGED = Kind(
    "damaged results", "The next run of their sweep sets them aside in damaged/ and makes the trial again."
)
DIFFERING = Kind(
    "scores that do not follow from the stored logits",
    "No run changes them, since row and logits are what was committed. Find out what wrote them; a row that "
    "is moved out of trials/ or scored/ is made again.",
)
UNREADABLE = Kind("files that cannot be read", "The next run ends with one line at the first that it needs.")
DAMAGED_FAILURE = Kind(
    "damaged records of failures",
    "The next run takes the trial as failed if it is its latest; run --retry-failed tries it again.",
)
DAMAGED_CHECKPOINT = Kind(
    "damaged checkpoints",
    "The next run sets them aside when the trial goes on: from the checkpoint before, or from its start.",
)
DAMAGED_COPY = Kind(
    "damaged copies of rows", "They are ignored, the rows themselves are read; store compact replaces them."
)
DAMAGED_PILOT = Kind("damaged pilots", "They are ignored; plan --pilot measures anew.")
DAMAGED_WORD = Kind("damaged lists of what runs", "They are ignored, and deleted by the next run.")
WITHOUT_ROW = Kind(
    "data without a row",
    "A trial died before its commit, or is being committed now. The next run of its sweep makes it again.",
    wrong=False,
)
NOT_FIRST = Kind(
    "data of commits that did not stand",
    "Another row was there first, or has taken the place of one that was set aside. Nothing reads them.",
    wrong=False,
)
LEFT_OVER = Kind("checkpoints of finished trials", "The next run of their sweep deletes them.", wrong=False)
STALE_WORD = Kind("lists of drivers that died", "They are ignored, and deleted by the next run.", wrong=False)
STALE_COPY = Kind(
    "copies of rows by another version", "They are ignored; store compact replaces them.", wrong=False
)
HALF_WRITTEN = Kind(
    "half-written files", "The next run that has something to do deletes those older than a day.", wrong=False
)
SET_ASIDE = Kind("files set aside before", "Nothing reads them; they may be deleted.", wrong=False)
FOREIGN = Kind("files that are none of a store's", "They are ignored.", wrong=False)


@dataclass(frozen=True)
class Finding:
    kind: Kind
    path: str
    detail: str = ""


@dataclass
class Inspection:
    """What was found, and how much was looked at.

    Attributes:
        trials: Finished trials whose scores were computed anew.
        scored: Likewise, their scores on sets out of distribution.
        steps: How many files, or trials with all their files, there are to look at.
    """

    store: Store
    findings: list[Finding] = field(default_factory=list)
    trials: int = 0
    scored: int = 0
    steps: list[Callable[[], None]] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Findings of what is damaged or false."""
        return sum(finding.kind.wrong for finding in self.findings)

    def by_kind(self) -> dict[Kind, list[Finding]]:
        """What is wrong comes first."""
        found: dict[Kind, list[Finding]] = defaultdict(list)
        for finding in sorted(self.findings, key=lambda each: not each.kind.wrong):
            found[finding.kind].append(finding)
        return found

    def found(self, kind: Kind, path: str, detail: str = "") -> None:
        self.findings.append(Finding(kind, path, detail))


def inspection(store: Store) -> Inspection:
    """Lists a store; each of `steps` then looks at a part of it.

    Raises:
        StoreError: A store that cannot be listed.
    """
    made = Inspection(store)
    folders: dict[str, list[FileInfo]] = defaultdict(list)
    for info in store.folder.list(""):
        folders[info.path.partition("/")[0] if "/" in info.path else ""].append(info)
    _Looker(made, folders).plan()
    return made


class _Looker:
    """The steps of an inspection."""

    def __init__(self, made: Inspection, folders: Mapping[str, list[FileInfo]]):
        self.made, self.folders = made, folders
        self.listed = {info.path for infos in folders.values() for info in infos}
        self.data: dict[str, list[str]] = defaultdict(list)
        """What is listed of the data of each row, by the row's path."""
        self.folder = made.store.folder

    def plan(self) -> None:
        named = {
            "trials": ROW_NAME,
            "predictions": DATA_NAME,
            "epochs": DATA_NAME,
            scored_sets.ROWS: SCORED_NAME,
            scored_sets.PREDICTIONS: SCORED_DATA_NAME,
            "failures": FAILURE_NAME,
            "checkpoints": CHECKPOINT_NAME,
            "compacted": COMPACTED_NAME,
            pilots.FOLDER: re.compile(r".+\.parquet"),
            running.FOLDER: re.compile(r".+\.json"),
        }
        paths: dict[str, list[str]] = defaultdict(list)
        for kind, infos in self.folders.items():
            for info in infos:
                name = info.path.rsplit("/", 1)[-1]
                if kind in (TEMPORARY, "damaged"):
                    self.made.found(HALF_WRITTEN if kind == TEMPORARY else SET_ASIDE, info.path)
                elif kind not in named:
                    if kind not in NOT_INSPECTED:
                        self.made.found(FOREIGN, info.path)
                elif match := named[kind].fullmatch(name):
                    paths[kind].append(info.path)
                    if kind in DATA_OF:
                        folder = info.path.removeprefix(kind).removesuffix(name)
                        self.data[f"{DATA_OF[kind]}{folder}{match[1]}.parquet"].append(info.path)
                else:
                    self.made.found(FOREIGN, info.path)
        scored: dict[str, list[str]] = defaultdict(list)
        for path in paths[scored_sets.ROWS]:
            scored[_stem(path).partition("-")[0]].append(path)
        finished = {_stem(path) for path in paths["trials"]}
        for path in paths["trials"]:
            self._step(self._trial, path, scored.pop(_stem(path), []))
        for orphans in scored.values():
            for path in orphans:
                self._step(self._scored, path, None, None)
        self._lying_about(paths, finished)
        looks: dict[str, Callable[[str], None]] = {
            "failures": self._failure,
            "checkpoints": self._checkpoint,
            "compacted": self._copy,
            pilots.FOLDER: self._pilot,
            running.FOLDER: self._word,
        }
        for kind, look in looks.items():
            for path in paths[kind]:
                self._step(look, path)

    def _step(self, look: Callable[..., None], path: str, *more: Any) -> None:
        def step() -> None:
            try:
                look(path, *more)
            except FileNotFoundError:
                return  # Gone since it was listed: a driver is at work.
            except StoreError as error:
                if not self.folder.is_local:
                    raise  # No file of a server that is away can be read.
                self.made.found(UNREADABLE, path, str(error))

        self.made.steps.append(step)

    def _lying_about(self, paths: Mapping[str, list[str]], finished: set[str]) -> None:
        for row_path, data in self.data.items():
            if row_path not in self.listed:
                for path in data:
                    self.made.found(WITHOUT_ROW, path)
        for path in paths["checkpoints"]:
            if path.split("/")[1] in finished:
                self.made.found(LEFT_OVER, path)

    def _trial(self, path: str, scored: Iterable[str]) -> None:
        from results.rescore import temperatures_of, trial_differs

        row = self._row(path, rows.TRIAL_SCHEMA)
        whole: dict[str, pa.Table | None] = {}
        if row is not None:
            whole = self._data_of(path, row, ("predictions", "epochs"))
        predictions = whole.get("predictions")
        if row is None or predictions is None:
            temperatures = None
        else:
            scores, provenance = dict(row["scores"][0].as_py()), dict(row["provenance"][0].as_py())
            temperatures = temperatures_of(scores)
            self.made.trials += 1
            self._differing(path, lambda: trial_differs(scores, provenance, predictions))
        for each in scored:
            self._scored(each, predictions, temperatures)

    def _scored(
        self, path: str, predictions: pa.Table | None, temperatures: Mapping[str, float] | None
    ) -> None:
        from results.rescore import scored_differs

        row = self._row(path, rows.SCORED_SCHEMA)
        if row is None:
            return
        table = self._data_of(path, row, (scored_sets.PREDICTIONS,))[scored_sets.PREDICTIONS]
        if table is None or predictions is None or temperatures is None:
            return
        scores, provenance = dict(row["scores"][0].as_py()), dict(row["provenance"][0].as_py())
        self.made.scored += 1
        self._differing(path, lambda: scored_differs(scores, provenance, temperatures, predictions, table))

    def _differing(self, path: str, differing: Callable[[], Mapping[str, tuple[float, float]]]) -> None:
        try:
            found = differing()
        except (KeyError, ValueError) as error:
            # What was committed, and yet no predictions.
            self.made.found(DIFFERING, path, f"cannot be scored: {error}")
            return
        for name, (committed, anew) in found.items():
            self.made.found(DIFFERING, path, f"{name} is {committed}, but its predictions give {anew}")

    def _row(self, path: str, schema: pa.Schema) -> pa.Table | None:
        try:
            return rows.checked_row(self.folder.read(path), _stem(path), schema)
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED, path, str(error))
            return None

    def _data_of(self, row_path: str, row: pa.Table, kinds: Iterable[str]) -> dict[str, pa.Table | None]:
        """The data files of a committed row by kind; None where one is not what was committed."""
        found, named = {}, set()
        for kind in kinds:
            digest = row[data_files.digest_column(kind)][0].as_py()
            path = data_files.listed_path(row_path, kind, digest, self.listed)
            found[kind] = self._data(path, digest, row_path)
            named.add(path)
        for path in self.data[row_path]:
            if path not in named and self.folder.exists(path):
                self.made.found(NOT_FIRST, path)
        return found

    def _data(self, path: str, digest: str, row_path: str) -> pa.Table | None:
        try:
            content = self.folder.read(path)
        except FileNotFoundError:
            if self.folder.exists(row_path):
                self.made.found(DAMAGED, path, "is missing, though its row is there")
            return None
        if sha256(content) != digest:
            self.made.found(DAMAGED, path, "its bytes are not those that were committed")
            return None
        return rows.from_parquet(content)

    def _failure(self, path: str) -> None:
        name = FAILURE_NAME.fullmatch(path.rsplit("/", 1)[-1])
        try:
            fields = rows.failure_fields(self.folder.read(path))
            if name is None or (fields["key"], fields["attempt"]) != (name[1], int(name[2])):
                raise rows.DamagedFileError("it is of another trial or attempt than its name says")
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED_FAILURE, path, str(error))

    def _checkpoint(self, path: str) -> None:
        if not path.endswith(f"-{sha256(self.folder.read(path))[:DIGEST_LENGTH]}.pt"):
            self.made.found(DAMAGED_CHECKPOINT, path, "its bytes are not those that its name digests")

    def _copy(self, path: str) -> None:
        name = COMPACTED_NAME.fullmatch(path.rsplit("/", 1)[-1])
        if name is None or int(name[1]) != rows.FORMAT:
            self.made.found(STALE_COPY, path)
        elif sha256(self.folder.read(path)) != name[2]:
            self.made.found(DAMAGED_COPY, path, "its bytes are not those that its name digests")

    def _pilot(self, path: str) -> None:
        try:
            pilots.read(self.folder.read(path))
        except rows.DamagedFileError as error:
            self.made.found(DAMAGED_PILOT, path, str(error))

    def _word(self, path: str) -> None:
        (info,) = (info for info in self.folders[running.FOLDER] if info.path == path)
        if not running.is_fresh(info.modified_ns):
            self.made.found(STALE_WORD, path)
            return
        try:
            if not isinstance(json.loads(self.folder.read(path)), dict):
                raise ValueError("not epochs by key")
        except ValueError as error:
            self.made.found(DAMAGED_WORD, path, str(error))


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].partition(".")[0]
