"""Makes the result tables of a store. Loads neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.use_cases.rescore import with_scores
from results.scoring import out_of_distribution
from results.scoring.scores import SEPARATION, chosen, temperature_by
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables.layout import Table
from results.tables.rendering import render
from results.tables.screen import ON_SCREEN
from results.tables.table import build, by_task, default_metrics, needed, only
from results.wording import counted
from sweeps.expand import expected_frame, load
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
    on_test_set: One table per metric.
    out_of_distribution: Tables on other data sets; empty if no trial was scored on any.
    damaged: Full names of damaged rows, which are omitted.
    loose_rows: Number of rows read one by one. Thousands take seconds, until `compact` copies them.
    """

    store: str
    on_test_set: tuple[Table, ...]
    out_of_distribution: tuple[Table, ...]
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
        return render([*self.on_test_set, *self.out_of_distribution], format, standalone=standalone)

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
) -> Tables:
    """Makes the tables of a store from its rows, and from the layer of derived scores where rows lack them.

    Args:
        sweep: A sweep file, or the name of a bundled one: only its trials, the missing ones marked.
        metrics: Names of the tables (default: those in the papers, and all out of distribution).
        criterion: The metric that temperatures minimise: 'ece', 'adaptive_ece' or 'nll' (default: the
            protocol's).
        calibrator: Show this calibrator instead of such a temperature.
        overrides: Settings of the sweep, as for `--set`: 'training.epochs=3'.

    Raises:
        ConfigurationError: A metric, criterion, calibrator, sweep or setting is unknown, no trial is
            finished, or a score is missing (with the command that computes it).
        StoreError: The store does not exist, or cannot be read.
    """
    if overrides and not sweep:
        raise ConfigurationError(f"--set {overrides[0]} needs a sweep: name it before the options.")
    if calibrator and criterion:
        raise ConfigurationError(
            "--calibrator and --criterion exclude each other: a criterion chooses a temperature."
        )
    requested = tuple(dict.fromkeys(metric.name for metric in chosen(metrics)))
    own = tuple(name for name in requested if name not in SEPARATION)
    of_others = tuple(name for name in requested if name in SEPARATION)
    if calibrator and of_others:
        raise ConfigurationError(f"{of_others[0]} is available for temperatures only: omit --calibrator.")
    loaded = load(sweep, list(overrides)) if sweep else None
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot(loaded.trials if loaded else None)
    frame = _trials(opened, snapshot)
    expected = expected_frame(loaded.trials) if loaded else None
    damaged = tuple(opened.folder.name(path) for path in frame.attrs["damaged"])
    by = calibrator or temperature_by(criterion or (loaded.temperature_criterion if loaded else "ece"))
    built: list[Table] = []
    if own or not requested:
        shown = own or default_metrics(frame)
        for task, of_task in by_task(shown).items():
            keys = set(only(frame, task)["key"])
            if expected is not None:
                keys &= set(expected["key"])
            frame = with_scores(opened, frame, needed(of_task, by), keys)
        built = build(frame, expected, by, shown)
    others: list[Table] = []
    if of_others or not (requested or calibrator):
        others = out_of_distribution.build(snapshot.scored(), loaded.trials if loaded else None, by)
        if of_others and not others:
            raise ConfigurationError(
                f"{of_others[0]} needs out-of-distribution evaluations, and {store} has none."
            )
        others = [table for table in others if not requested or table.metric.name in of_others]
    return Tables(store, tuple(built), tuple(others), damaged, snapshot.loose)


@dataclass(frozen=True)
class Written:
    """The tables that a run writes to the store.

    Attributes:
        shown: The tables for the screen.
        files: Full names of the files, by format.
    """

    shown: tuple[Table, ...]
    files: Mapping[str, str]


def write(standing: Standing) -> Written:
    """Writes the tables of a sweep in all formats, as files under tables/ in the store.

    Raises:
        ConfigurationError: No trial is finished.
        StoreError: The store cannot be written.
    """
    sweep, store, snapshot = standing.sweep, standing.store, standing.snapshot
    frame, expected = _trials(store, snapshot), expected_frame(sweep.trials)
    calibrator = temperature_by(sweep.temperature_criterion)
    built = build(frame, expected, calibrator, default_metrics(frame))
    built += out_of_distribution.build(snapshot.scored(), sweep.trials, calibrator)
    files = {}
    for format, ending in FILES.items():
        path = f"tables/{sweep.name}.{ending}"
        store.folder.write(path, render(built, format, standalone=True).encode())
        files[format] = store.folder.name(path)
    return Written(tuple(build(frame, expected, calibrator, default_metrics(frame, ON_SCREEN))), files)


def _trials(store: Store, snapshot: Snapshot) -> pd.DataFrame:
    """The finished trials. Raises ConfigurationError if there are none."""
    frame = snapshot.trials()
    if frame.empty:
        damaged = frame.attrs["damaged"]
        also = f", and {counted(len(damaged), 'damaged row')} (`store verify` lists them)" if damaged else ""
        raise ConfigurationError(
            f"no finished trial in the store {store.uri}{also}: run a sweep first, or choose another --store."
        )
    return frame
