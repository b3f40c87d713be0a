"""Makes the result tables of a store. Loads neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.use_cases.rescore import with_scores
from results.scoring.scores import DEFAULT_ELSEWHERE, UNCALIBRATED, chosen, criterion_of, temperature_by
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables.at_epoch import Epoch
from results.tables.evaluations import is_against_test, on_test_set
from results.tables.evidence import predictions_in
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import TEST_SET, Table
from results.tables.rendering import render
from results.tables.screen import ON_SCREEN
from results.tables.table import build, by_task, default_metrics, needed, split
from results.wording import counted
from sweeps.expand import expected_frame, load
from trainables import tasks
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.use_cases.standing import Standing

FILES = {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}
"""Formats of the tables that a run writes to the store, with their file name extensions."""


@dataclass(frozen=True)
class Tables:
    """Attributes:
    store: Its address.
    sweep: Name of the sweep; '' for all trials.
    on_test_set: One table per metric.
    on_other_data: Tables of the other evaluations; empty if there are none.
    damaged: Full names of damaged rows, which are omitted.
    loose_rows: Number of rows outside the compacted copy, read one by one.
    """

    store: str
    sweep: str
    on_test_set: tuple[Table, ...]
    on_other_data: tuple[Table, ...]
    damaged: tuple[str, ...]
    loose_rows: int

    def render(self, format: str, *, standalone: bool = False) -> str:
        """Renders all tables as one text.

        Args:
            format: 'md', 'latex', 'html' or 'csv'.
            standalone: LaTeX: a whole document that compiles, instead of tables to paste into one.

        Raises:
            ConfigurationError: The format is unknown.
        """
        built = [*self.on_test_set, *self.on_other_data]
        return render(built, format, standalone=standalone, sweep=self.sweep)

    def _repr_markdown_(self) -> str:
        """For display in a notebook."""
        return self.render("md")


def tables(
    store: str,
    sweep: str | None = None,
    *,
    metrics: Sequence[str] = (),
    criterion: str | None = None,
    calibrator: str | None = None,
    overrides: Sequence[str] = (),
    elsewhere: bool = True,
    epoch: int | None = None,
) -> Tables:
    """Makes the tables of a store from its rows, and from the layer of derived scores where rows lack them.

    Args:
        sweep: A sweep file, or the name of a bundled one: only its trials, the missing ones marked.
        metrics: Names of metrics, on each evaluation that they are defined for (default: those in the papers,
            and for other data than the test set those against the test set, ECE and error).
        criterion: The metric that temperatures minimise: 'ece', 'adaptive_ece' or 'nll' (default: the
            protocol's).
        calibrator: Show this calibrator instead of such a temperature.
        overrides: Settings of the sweep, as for `--set`: 'training.epochs=3'.
        elsewhere: Whether to make tables of the evaluations on other data than the test set.
        epoch: Set the scores after this epoch (from 1), from the learning curves, beside each score on the
            test set. Metrics are then those in the curves, and other data has no tables.

    Raises:
        ConfigurationError: A metric, criterion, calibrator, sweep or setting is unknown, no trial is
            finished, a score is missing (with the command that computes it), or the curves lack the epoch or
            a metric.
        StoreError: The store does not exist, or cannot be read.
    """
    if overrides and not sweep:
        raise ConfigurationError(f"--set {overrides[0]} needs a sweep: name it before the options.")
    if calibrator and criterion:
        raise ConfigurationError(
            "--calibrator and --criterion exclude each other: a criterion chooses a temperature."
        )
    asked = tuple(dict.fromkeys(metric.name for metric in chosen(metrics)))
    loaded = load(sweep, list(overrides)) if sweep else None
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot(loaded.trials if loaded else None)
    frame = evaluations(opened, snapshot)
    expected = expected_frame(loaded.trials) if loaded else None
    damaged = tuple(opened.folder.name(path) for path in frame.attrs["damaged"])
    by = calibrator or temperature_by(criterion or (loaded.temperature_criterion if loaded else "ece"))
    if epoch is not None and not (by == UNCALIBRATED or criterion_of(by)):
        raise ConfigurationError(
            f"--calibrator {by} and --epoch exclude each other: curves have scores at temperatures alone."
        )
    at = Epoch.read(opened, frame, expected, epoch) if epoch is not None else None
    shown = at.metrics(asked, default_metrics(frame)) if at else asked or default_metrics(frame)
    _check_tasks(frame, shown)
    others = (asked or DEFAULT_ELSEWHERE) if elsewhere and not at else ()
    for part in split(frame, expected, shown, others):
        keys = set(part.frame["key"])
        if part.expected is not None:
            keys &= set(part.expected["key"])
        frame = with_scores(opened, frame, needed(part.metrics, by), keys)
    # An object store may refuse to be written, or charge for it: there, runs and `store rescore` write.
    kept = KeptEvidence(opened.folder, writes=opened.folder.is_local)
    built = build(frame, expected, by, shown, others, predictions_in(opened, frame), kept)
    made = {table.metric.name for table in built}
    for name in asked:
        if name not in made and is_against_test(name):
            raise ConfigurationError(
                f"{name} needs trials evaluated on other data than the test set, and {store} has none."
            )
    own = [table for table in built if table.data == TEST_SET]
    other = tuple(built[len(own) :])
    own = at.beside(own, expected, by) if at else own
    loose = opened.copy_loose(snapshot) if opened.folder.is_local else snapshot.loose
    return Tables(store, loaded.name if loaded else "", tuple(own), other, damaged, loose)


def _check_tasks(frame: pd.DataFrame, shown: Sequence[str]) -> None:
    """Raises ConfigurationError if no trial is for a metric's task, or no metric is for the trials' tasks."""
    there = sorted(set(frame["task"].fillna(tasks.DEFAULT))) if "task" in frame.columns else [tasks.DEFAULT]
    for task, names in by_task(shown).items():
        if task not in there:
            raise ConfigurationError(
                f"metric {names[0]!r} is for the task {task!r}, the finished trials for {', '.join(there)}."
            )
    if not shown:
        raise ConfigurationError(
            f"no metric for the task {', '.join(there)} is known here: give its file as --plugin."
        )


@dataclass(frozen=True)
class Written:
    """The tables that a run writes to the store.

    Attributes:
        shown: The tables for the screen.
        files: Full names of the files, by format.
    """

    shown: tuple[Table, ...]
    files: Mapping[str, str]


def built(standing: Standing) -> list[Table]:
    """The tables of a sweep, those on the test set first.

    Raises:
        ConfigurationError: No trial is finished.
        StoreError: The store cannot be read.
    """
    sweep, store = standing.sweep, standing.store
    frame, expected = evaluations(store, standing.snapshot), expected_frame(sweep.trials)
    calibrator = temperature_by(sweep.temperature_criterion)
    predictions = predictions_in(store, frame)
    kept = KeptEvidence(store.folder)
    return build(frame, expected, calibrator, default_metrics(frame), DEFAULT_ELSEWHERE, predictions, kept)


def write(standing: Standing, built: Sequence[Table]) -> Written:
    """Writes the tables of a sweep in all formats, as files under tables/ in the store.

    Args:
        built: From `built`.

    Raises:
        StoreError: The store cannot be written.
    """
    sweep, store = standing.sweep, standing.store
    files = {}
    for format, ending in FILES.items():
        path = f"tables/{sweep.name}.{ending}"
        store.folder.write(path, render(built, format, standalone=True, sweep=sweep.name).encode())
        files[format] = store.folder.name(path)
    wanted = default_metrics(standing.snapshot.evaluations(), ON_SCREEN)
    by_metric = {table.metric.name: table for table in built if table.data == TEST_SET}
    return Written(tuple(by_metric[name] for name in wanted), files)


def evaluations(store: Store, snapshot: Snapshot) -> pd.DataFrame:
    """The evaluations of the finished trials. Raises ConfigurationError if there are none."""
    frame = snapshot.evaluations()
    if on_test_set(frame).empty:
        damaged = frame.attrs["damaged"]
        also = f", and {counted(len(damaged), 'damaged row')} (`store verify` lists them)" if damaged else ""
        raise ConfigurationError(
            f"no finished trial in the store {store.uri}{also}: run a sweep first, or choose another --store."
        )
    return frame
