"""Makes the report of a sweep: one page, from its store alone. Loads neither torch nor Ray."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.use_cases.compare import judged_in
from orchestrator.use_cases.finished import check_overrides, finished
from orchestrator.use_cases.standing import Standing
from orchestrator.use_cases.tables import BuiltTables, command_of
from results.comparison import rendering as comparison
from results.comparison.places import PLACES
from results.comparison.verdicts import Row, counts
from results.report.building import Built, Source, build, shared_facts
from results.report.failures import failures
from results.report.fixed_epoch import fixed_epoch
from results.report.page import Grid, Page, Published
from results.report.rendering import render
from results.report.trials import curves_in
from results.scoring.scores import temperature_by
from results.store import provenance
from results.store.place import redacted
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables.at_epoch import Epoch
from results.tables.evaluations import on_test_set
from results.tables.evidence import predictions_in
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import TEST_SET, Table
from results.tables.statistics import with_current_names
from results.tables.table import build as build_tables
from results.tables.table import default_metrics
from results.whole_file import write_whole
from sweeps.expand import Sweep
from trainables.catalogue import CALIBRATORS
from trainables.errors import ConfigurationError, DataError
from trainables.registry.plugins import PLUGINS

PUBLISHED = {*PLACES.values()}

FOLDER = "reports"
"""Folder of a store with the reports that runs write."""


@dataclass(frozen=True)
class Reported:
    """Attributes:
    file: The page.
    size: Of the file, in bytes.
    trials: Number of finished trials on it.
    failed: Number of failed trials on it.
    damaged: Full names of damaged rows of the store, which are omitted.
    """

    file: Path
    size: int
    trials: int
    failed: int
    damaged: tuple[str, ...]


def report(
    store: str,
    sweep: str | None = None,
    output: Path | str = "report.html",
    *,
    overrides: Sequence[str] = (),
    epoch: int | None = None,
) -> Reported:
    """Writes a page on the trials of a store: the best loss, how sure that is, and every trial.

    Args:
        sweep: A sweep file, or the name of a bundled one: only its trials, the missing ones marked.
        output: The file, which replaces another of its name.
        overrides: Settings of the sweep, as for `--set`: 'training.epochs=3'.
        epoch: Also show the scores after this epoch, from 1, beside those of the reported one.

    Raises:
        ConfigurationError: The sweep or a setting is unknown, no trial is finished, or none has the epoch.
        StoreError: The store does not exist, or cannot be read.
        DataError: The file cannot be written.
    """
    check_overrides(sweep, overrides)
    path = Path(output)
    if not path.parent.is_dir():
        raise DataError(f"cannot write {path}: there is no folder {path.parent}.")
    # Before the sweep is loaded, with plug-ins of its own.
    command = command_of(store, sweep, overrides=overrides, epoch=epoch, name="report")
    done = finished(store, sweep, overrides)
    opened, frame, expected = done.store, done.frame, done.expected
    calibrator = temperature_by(done.sweep.temperature_criterion if done.sweep else "ece")
    kept = KeptEvidence(opened.folder, writes=opened.folder.is_local)
    predictions = predictions_in(opened, frame)
    metrics = default_metrics(frame, predictions)
    tables = build_tables(frame, expected, calibrator, metrics, (), predictions, kept)
    beside = None
    if epoch is not None:
        at = Epoch.read(opened, frame, expected, epoch)
        shown = at.metrics((), metrics)
        beside = at.beside([table for table in tables if table.metric.name in shown], expected, calibrator)
    made = BuiltTables(tables, frame, expected)
    page = page_of(opened, done.snapshot, done.sweep, made, command, beside)
    content = render(page).encode()
    try:
        write_whole(path, content)
    except ConfigurationError as error:
        raise DataError(str(error)) from error
    failed = sum(len(each.trials) for each in page.failures)
    return Reported(path, len(content), page.done, failed, done.damaged)


def path_of(sweep: Sweep) -> str:
    """Path in a store of the report that a run writes."""
    return f"{FOLDER}/{sweep.name}.html"


def write(standing: Standing, built: BuiltTables, command: str) -> str:
    """Writes the report of a sweep to its store, under reports/. Returns its full name.

    Args:
        built: The tables of the sweep.
        command: Makes the page again.

    Raises:
        ConfigurationError: No trial is finished.
        StoreError: The store cannot be read or written.
    """
    store = standing.store
    page = page_of(store, standing.snapshot, standing.sweep, built, command)
    path = path_of(standing.sweep)
    store.folder.write(path, render(page).encode())
    return store.folder.name(path)


def page_of(
    store: Store,
    snapshot: Snapshot,
    sweep: Sweep | None,
    made: BuiltTables,
    command: str,
    at_epoch: Sequence[Table] | None = None,
) -> Page:
    """The content of the page.

    Args:
        made: Its tables on other data than the test set are left out.
        command: Makes the page again.
        at_epoch: The tables of a fixed epoch beside the others, from `Epoch.beside`.

    Raises:
        StoreError: The store cannot be read.
    """
    frame, expected, address = made.frame, made.expected, redacted(store.uri)
    stored = on_test_set(frame)
    own = with_current_names(stored, None if expected is None else on_test_set(expected))
    on_test = [table for table in made.tables if table.data == TEST_SET]
    plugins = tuple(str(plugin.path) for plugin in PLUGINS.files)
    curves = curves_in(store.folder, stored)
    built = build(on_test, Source(own, predictions_in(store, frame), curves, address, plugins))
    failed = failures(
        snapshot, set(own["key"]), None if sweep is None else {trial.key for trial in sweep.trials}
    )
    compared = judged_in(store, frame, expected) if _has_published(own) else []
    return Page(
        title=sweep.name if sweep else address,
        description=sweep.description if sweep else "",
        made_of=_made_of(built, address, command),
        done=len(own),
        planned=len(sweep.trials) if sweep else len(own) + sum(len(each.trials) for each in failed),
        losses=built.losses,
        networks=built.networks,
        metrics=built.metrics,
        columns=built.columns,
        cells=built.cells,
        answers=built.answers,
        origins=built.origins,
        failures=failed,
        published=_published(compared),
        fixed_epoch=fixed_epoch(at_epoch) if at_epoch else None,
        notes=list(dict.fromkeys(note for table in on_test for note in table.notes)),
        reading=_reading(on_test),
        omitted=built.omitted,
        calibration=CALIBRATORS[on_test[0].calibrator].spec.title,
    )


def _made_of(page: Built, address: str, command: str) -> dict[str, str]:
    """Facts on the page as a whole."""
    times = Counter(trial.origin for cell in page.cells for trial in cell.trials)
    shared = {
        name: shared_facts(page.origins, times, fact)
        for name, fact in (
            ("Trials by commit", "commit"),
            ("Trained on", "processor"),
            ("With torch", "torch"),
        )
    }
    return {
        "Store": address,
        **{name: text for name, text in shared.items() if text},
        "Page made": made(),
        "Command": command,
    }


def made() -> str:
    """When a page is made, and by which commit."""
    today = datetime.datetime.now(datetime.UTC)
    return f"{today:%Y-%m-%d %H:%M} UTC by commit {provenance.source_commit() or 'unknown'}"


def _reading(tables: Sequence[Table]) -> list[str]:
    """The sentences on metrics and marks, each once."""
    lines = [table.about for table in tables]
    return list(dict.fromkeys([*lines, *(line for table in tables for line in table.reading)]))


def _has_published(own: pd.DataFrame) -> bool:
    """Whether numbers of any of the networks are published: to compare takes half a second."""
    networks = zip(own["dataset"], own["model"], strict=True)
    return any((data.partition("(")[0], model.partition("(")[0]) in PUBLISHED for data, model in networks)


def _published(rows: Sequence[Row]) -> Published | None:
    """The published numbers of the networks that have trials; None without any."""
    there = comparison.by_place(rows)
    if not there:
        return None
    places = []
    for paper, place, own in there:
        head, lines = comparison.summaries(own)
        title = comparison.heading(paper, place)
        summary = Grid(title, ("score", *head[1:]), tuple(map(tuple, lines)))
        numbers = tuple(
            Grid(
                comparison.title(row),
                ("loss", *comparison.EACH),
                tuple((number.loss, *comparison.each(number)) for number in comparison.in_order(row)),
            )
            for row in own
        )
        places.append((summary, tuple(comparison.notes(own)), numbers))
    found = counts(rows)
    compared = found.agree + found.differ
    short = (
        f"{found.agree} of {compared} published numbers agree"
        if compared
        else "no published number to compare"
    )
    return Published(short, tuple(comparison.totals(found)), tuple(places), comparison.EXPLANATION)
