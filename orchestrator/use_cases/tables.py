"""The result tables of a store. Loads neither torch nor Ray."""

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
from sweeps.expand import Sweep, expected_frame, load
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

FILES = {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}
"""Format and file name ending of the tables that a run leaves in the store."""


@dataclass(frozen=True)
class Tables:
    """Attributes:
    store: Its address.
    on_test_set: One table for each metric.
    out_of_distribution: Likewise, of other data sets; none where no trial was scored on any.
    damaged: Full names of rows that are damaged and left out.
    loose_rows: How many rows were read one by one. Thousands take seconds, until `compact` gathers them.
    """

    store: str
    on_test_set: tuple[Table, ...]
    out_of_distribution: tuple[Table, ...]
    damaged: tuple[str, ...]
    loose_rows: int

    def render(self, format: str, *, standalone: bool = False) -> str:
        """All tables as one text.

        Args:
            format: 'md', 'latex', 'html' or 'csv'.
            standalone: LaTeX: a document that compiles as it is, instead of tables to paste into one.

        Raises:
            ConfigurationError: An unknown format.
        """
        return render([*self.on_test_set, *self.out_of_distribution], format, standalone=standalone)

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
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
    """The tables of a store, from its rows, and from the layer of derived scores where rows lack them.

    Args:
        sweep: A sweep file or the name of a bundled sweep: only its trials, and those missing of it.
        metrics: Names of the tables (default: those that the papers have, and all out of distribution).
        criterion: The metric by which temperatures are chosen: 'ece', 'adaptive_ece' or 'nll' (default: as
            the sweep's protocol says).
        calibrator: The calibrator whose effect is shown, in place of such a temperature.
        overrides: Settings of the sweep, as `--set` takes them: 'training.epochs=3'.

    Raises:
        ConfigurationError: An unknown metric, criterion, calibrator, sweep or setting, nothing to make tables
            of, or a score that is nowhere, with the command that computes it.
        StoreError: A store that is not there or cannot be read.
    """
    if overrides and not sweep:
        raise ConfigurationError(f"--set {overrides[0]} changes a sweep: say which, before the options.")
    if calibrator and criterion:
        raise ConfigurationError("--calibrator takes the place of the temperature that --criterion chooses.")
    asked = tuple(dict.fromkeys(metric.name for metric in chosen(metrics)))
    own = tuple(name for name in asked if name not in SEPARATION)
    of_others = tuple(name for name in asked if name in SEPARATION)
    if calibrator and of_others:
        raise ConfigurationError(f"{of_others[0]} is shown after temperatures alone: no --calibrator.")
    loaded = load(sweep, list(overrides)) if sweep else None
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot(loaded.trials if loaded else None)
    frame = _trials(opened, snapshot)
    expected = expected_frame(loaded.trials) if loaded else None
    damaged = tuple(opened.folder.name(path) for path in frame.attrs["damaged"])
    by = calibrator or temperature_by(criterion or (loaded.temperature_criterion if loaded else "ece"))
    built: list[Table] = []
    if own or not asked:
        shown = own or default_metrics(frame)
        for task, of_task in by_task(shown).items():
            keys = set(only(frame, task)["key"])
            if expected is not None:
                keys &= set(expected["key"])
            frame = with_scores(opened, frame, needed(of_task, by), keys)
        built = build(frame, expected, by, shown)
    others: list[Table] = []
    if of_others or not (asked or calibrator):
        others = out_of_distribution.build(snapshot.scored(), loaded.trials if loaded else None, by)
        if of_others and not others:
            raise ConfigurationError(
                f"{of_others[0]} needs trials that were scored out of distribution, and {store} has none."
            )
        others = [table for table in others if not asked or table.metric.name in of_others]
    return Tables(store, tuple(built), tuple(others), damaged, snapshot.loose)


@dataclass(frozen=True)
class Written:
    """The tables of a sweep as a run leaves them in the store.

    Attributes:
        shown: Those that a screen shows.
        files: Their full names, by format.
    """

    shown: tuple[Table, ...]
    files: Mapping[str, str]


def write(sweep: Sweep, store: Store, snapshot: Snapshot) -> Written:
    """Writes the tables of a sweep in all formats, as files under tables/ in the store.

    Raises:
        ConfigurationError: No trial is finished.
        StoreError: A store that cannot be written.
    """
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
    """Finished trials. Raises ConfigurationError for a store without any."""
    frame = snapshot.trials()
    if frame.empty:
        damaged = frame.attrs["damaged"]
        also = f", and {counted(len(damaged), 'damaged row')} (`store verify` says which)" if damaged else ""
        raise ConfigurationError(
            f"no finished trial in the store {store.uri}{also}: run a sweep first, or choose another --store."
        )
    return frame
