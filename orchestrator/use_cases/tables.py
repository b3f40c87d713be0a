"""Makes the result tables of a store. Loads neither torch nor Ray."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.use_cases.finished import check_overrides, evaluations, finished
from orchestrator.use_cases.rescore import with_scores
from results.scoring.scores import DEFAULT_ELSEWHERE, UNCALIBRATED, chosen, criterion_of, temperature_by
from results.store.place import redacted
from results.store.snapshot import side_by_side
from results.tables import papers
from results.tables.at_epoch import Epoch
from results.tables.evaluations import Part, is_against_test, on_test_set
from results.tables.evidence import predictions_in
from results.tables.grid import arrange
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import TEST_SET, Table
from results.tables.origin import Origin, document, origin_of, with_origin
from results.tables.rendering import render
from results.tables.screen import ON_SCREEN
from results.tables.table import build, by_task, default_metrics, needed, split
from trainables import tasks
from trainables.errors import ConfigurationError
from trainables.registry.plugins import PLUGINS

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
    table: The published table whose layout they have, such as 'mukhoti2020/5'; '' for none.
    """

    store: str
    sweep: str
    on_test_set: tuple[Table, ...]
    on_other_data: tuple[Table, ...]
    damaged: tuple[str, ...]
    loose_rows: int
    table: str
    _origin: Callable[[], Origin] = field(repr=False, compare=False)

    @functools.cached_property
    def made_from(self) -> Origin:
        """The origin of their numbers, made on first use: the screen shows none."""
        return self._origin()

    def render(self, format: str, *, standalone: bool = False) -> str:
        """Renders all tables as one text.

        Args:
            format: 'md', 'latex', 'html' or 'csv'.
            standalone: LaTeX: a whole document that compiles, instead of tables to paste into one.

        Raises:
            ConfigurationError: The format is unknown.
        """
        built = [*self.on_test_set, *self.on_other_data]
        arranged = papers.Layout.of(self.table).arrange if self.table else arrange
        return render(built, format, standalone=standalone, sweep=self.sweep, arranged=arranged)

    def document(self, format: str, *, standalone: bool = False, output: str | None = None) -> str:
        """The text of `render` with its origin at the end, by which `tables --verify` makes it again.

        Args:
            output: Name of the file, for the command in the origin.
        """
        return document(self, format, standalone, output)

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
    table: str | None = None,
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
        table: The published table to fill with our numbers instead, in its own layout: 'mukhoti2020/5'. It
            has metrics and temperatures of its own.

    Raises:
        ConfigurationError: A metric, criterion, calibrator, sweep or setting is unknown, no trial is
            finished, a score is missing (with the command that computes it), or the curves lack the epoch or
            a metric.
        StoreError: The store does not exist, or cannot be read.
    """
    check_overrides(sweep, overrides)
    if calibrator and criterion:
        raise ConfigurationError(
            "--calibrator and --criterion exclude each other: a criterion chooses a temperature."
        )
    if table and (metrics or criterion or calibrator or epoch):
        raise ConfigurationError(
            "--table excludes --metric, --criterion, --calibrator and --epoch: a published table has its own."
        )
    layout = papers.Layout.of(table) if table else None
    asked = tuple(dict.fromkeys(metric.name for metric in chosen(metrics)))
    # Before the sweep is loaded, with plug-ins of its own.
    command = command_of(store, sweep, metrics, criterion, calibrator, overrides, epoch, table)
    done = finished(store, sweep, overrides)
    opened, snapshot, frame = done.store, done.snapshot, done.frame
    loaded, named, expected, damaged = done.sweep, done.name, done.expected, done.damaged
    # An object store may refuse to be written, or charge for it: there, runs and `store rescore` write.
    kept = KeptEvidence(opened.folder, writes=opened.folder.is_local)
    loose = opened.copy_loose(snapshot) if opened.folder.is_local else snapshot.loose
    if layout:
        tested, complete = on_test_set(frame), functools.partial(with_scores, opened)
        read = predictions_in(opened, frame)
        laid, keys = papers.filled(layout, tested, expected, complete, read, kept)
        rows = tested[[key in keys for key in tested["key"]]]
        origin = functools.partial(origin_of, store, named, rows, expected, layout.scores, command)
        return Tables(store, named, laid, (), damaged, loose, layout.name, origin)
    by = calibrator or temperature_by(criterion or (loaded.temperature_criterion if loaded else "ece"))
    if epoch is not None and not (by == UNCALIBRATED or criterion_of(by)):
        raise ConfigurationError(
            f"--calibrator {by} and --epoch exclude each other: curves have scores at temperatures alone."
        )
    at = Epoch.read(opened, frame, expected, epoch) if epoch is not None else None
    usual = () if asked else default_metrics(frame, predictions_in(opened, frame))
    shown = at.metrics(asked, usual) if at else asked or usual
    _check_tasks(frame, shown)
    others = (asked or DEFAULT_ELSEWHERE) if elsewhere and not at else ()
    parts = split(frame, expected, shown, others)
    committed = frame
    for part in parts:
        frame = with_scores(opened, frame, needed(part.metrics, by), _keys(part))
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
    origin = functools.partial(_origin, store, named, committed, expected, parts, by, command)
    return Tables(store, named, tuple(own), other, damaged, loose, "", origin)


def command_of(
    store: str,
    sweep: str | None = None,
    metrics: Sequence[str] = (),
    criterion: str | None = None,
    calibrator: str | None = None,
    overrides: Sequence[str] = (),
    epoch: int | None = None,
    table: str | None = None,
    gaps: bool = False,
    name: str = "tables",
) -> str:
    """The command line of `tables`, or of the gap matrices; arguments as there.

    Its plug-ins are those of this process.

    Args:
        name: Another command with some of these options: 'report'.
    """
    options = [
        ("--store", redacted(store)),
        *(("--metric", metric) for metric in metrics),
        ("--criterion", criterion),
        ("--calibrator", calibrator),
        ("--epoch", epoch and str(epoch)),
        ("--table", table),
        *(("--set", override) for override in overrides),
        *(("--plugin", os.path.relpath(plugin.path)) for plugin in PLUGINS.files),
    ]
    flags = ["--gaps"] * gaps
    words = [word for name, value in options if value for word in (name, value)]
    return shlex.join(["calibsweep", name, *([sweep] if sweep else []), *words, *flags])


def _keys(part: Part) -> set[str]:
    """Keys of the finished evaluations in the tables of a part."""
    keys = set(part.frame["key"])
    return keys if part.expected is None else keys & set(part.expected["key"])


def _origin(
    store: str,
    sweep: str,
    committed: pd.DataFrame,
    expected: pd.DataFrame | None,
    parts: Sequence[Part],
    calibrator: str,
    command: str,
) -> Origin:
    """The origin of the tables of some parts.

    Args:
        committed: Evaluations as stored, without derived scores.
    """
    keys = {key for part in parts for key in _keys(part)}
    rows = committed[[key in keys for key in committed["key"]]]
    scores = [score for part in parts for score in needed(part.metrics, calibrator)]
    return origin_of(store, sweep, rows, expected, scores, command)


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


@dataclass(frozen=True)
class BuiltTables:
    """Tables, and what they are made from.

    Attributes:
        tables: Those on the test set first.
        frame: The evaluations of the store.
        expected: The trials of the sweep; None without one.
    """

    tables: Sequence[Table]
    frame: pd.DataFrame
    expected: pd.DataFrame | None


def built(standing: Standing) -> BuiltTables:
    """The tables of a sweep.

    Raises:
        ConfigurationError: No trial is finished.
        StoreError: The store cannot be read.
    """
    from sweeps.expand import expected_frame

    sweep, store = standing.sweep, standing.store
    frame, expected = evaluations(store, standing.snapshot), expected_frame(sweep.trials)
    calibrator = temperature_by(sweep.temperature_criterion)
    predictions = predictions_in(store, frame)
    kept = KeptEvidence(store.folder)
    shown = default_metrics(frame, predictions)
    made = build(frame, expected, calibrator, shown, DEFAULT_ELSEWHERE, predictions, kept)
    return BuiltTables(made, frame, expected)


def write(standing: Standing, built: BuiltTables, command: str) -> Written:
    """Writes the tables of a sweep in all formats, as files under tables/ in the store.

    Args:
        built: From `built`.
        command: The command line of `tables` for the sweep, from `command_of`.

    Raises:
        StoreError: The store cannot be written.
    """
    sweep, store = standing.sweep, standing.store
    frame, expected = built.frame, built.expected
    calibrator = temperature_by(sweep.temperature_criterion)
    by_metric = {table.metric.name: table for table in built.tables if table.data == TEST_SET}
    parts = split(frame, expected, [*by_metric], DEFAULT_ELSEWHERE)
    made_from = _origin(store.uri, sweep.name, frame, expected, parts, calibrator, command)
    paths = {format: f"tables/{sweep.name}.{ending}" for format, ending in FILES.items()}

    def put(format: str) -> None:
        text = render(built.tables, format, standalone=True, sweep=sweep.name)
        store.folder.write(paths[format], with_origin(text, format, made_from.of_file(format, True)).encode())

    side_by_side(store.folder, put, list(FILES))
    files = {format: store.folder.name(path) for format, path in paths.items()}
    shown = default_metrics(frame, lambda keys: {}, ON_SCREEN)
    return Written(tuple(by_metric[name] for name in shown), files)
