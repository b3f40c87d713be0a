"""`calibsweep tables`, and the tables at the end of a run. Loads neither torch nor Ray."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.use_cases import compaction
from results.scoring import out_of_distribution
from results.scoring.scores import DEFAULT, SEPARATION, chosen, temperature_by
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables.rendering import render
from results.tables.screen import ON_SCREEN, Screen, screen
from results.tables.table import build
from sweeps.expand import Sweep, expected_frame, load
from trainables.errors import ConfigurationError
from trainables.texts import visible

if TYPE_CHECKING:
    import pandas as pd

FILES = {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}
"""Format and file name ending of the tables that a run leaves in the store."""


MORE = (
    "Other scores: --metric NAME (`calibsweep list metrics`). All tables, those of data out of distribution "
    "too: --format md, latex, html or csv."
)


def show(
    sweep_name: str | None,
    uri: str,
    format: str | None,
    criterion: str | None,
    metrics: Sequence[str] | None,
    standalone: bool,
    overrides: list[str],
    console: Console,
) -> None:
    """Prints the tables of a store to standard output, in a format or as a view for the screen.

    Raises:
        ConfigurationError: An option that would change nothing, an unknown metric, or nothing to print.
    """
    if standalone and format != "latex":
        raise ConfigurationError("--standalone is for LaTeX: a whole document needs --format latex.")
    if overrides and not sweep_name:
        raise ConfigurationError(f"--set {overrides[0]} changes a sweep: say which, before the options.")
    asked = tuple(dict.fromkeys(score.name for score in chosen(metrics or ())))
    own = tuple(name for name in asked if name not in SEPARATION)
    of_others = tuple(name for name in asked if name in SEPARATION)
    sweep = load(sweep_name, overrides) if sweep_name else None
    store = Store(uri)
    store.check_place()
    snapshot = store.snapshot(sweep.trials if sweep else None)
    frame = trials(store, snapshot)
    expected = expected_frame(sweep.trials) if sweep else None
    by = temperature_by(criterion or (sweep.temperature_criterion if sweep else "ece"))
    grids = []
    if own or not asked:
        grids.append(build(frame, expected, by, own or (ON_SCREEN if format is None else DEFAULT)))
    if of_others or not (asked or format is None):
        built = out_of_distribution.build(snapshot.scored(), sweep.trials if sweep else None, by)
        if of_others and not built:
            raise ConfigurationError(
                f"{of_others[0]} needs trials that were scored out of distribution, and {uri} has none."
            )
        grids.append([table for table in built if not asked or table.metric.name in of_others])
    if format is not None:
        # A file as it is to be, whatever this terminal's letters are.
        sys.stdout.flush()
        text = render([table for grid in grids for table in grid], format, standalone=standalone)
        sys.stdout.buffer.write(text.encode())
        return
    for grid in grids:
        console.print(Screen(grid))
    if not asked:
        console.print(MORE, style="quiet")


def trials(store: Store, snapshot: Snapshot) -> pd.DataFrame:
    """Finished trials of a store, with a warning on standard error for each damaged row.

    Raises:
        ConfigurationError: A store without any.
    """
    frame = snapshot.trials()
    for path in frame.attrs["damaged"]:
        damaged = visible(store.folder.name(path))
        sys.stderr.write(f"calibsweep: damaged and left out: {damaged}; run the sweep again.\n")
    if hint := compaction.hint(store, snapshot):
        sys.stderr.write(f"calibsweep: {hint}\n")
    if frame.empty:
        raise ConfigurationError(
            f"no finished trial in the store {store.uri}: run a sweep first, or choose another --store."
        )
    return frame


def print_and_write(sweep: Sweep, store: Store, snapshot: Snapshot, console: Console) -> None:
    """The tables of a sweep on the screen, and in all formats as files under tables/ in the store."""
    frame, expected = trials(store, snapshot), expected_frame(sweep.trials)
    calibrator = temperature_by(sweep.temperature_criterion)
    console.print(screen(frame, expected, calibrator))
    built = build(frame, expected, calibrator)
    built += out_of_distribution.build(snapshot.scored(), sweep.trials, calibrator)
    for format, ending in FILES.items():
        text = render(built, format, standalone=True)
        store.folder.write(f"tables/{sweep.name}.{ending}", text.encode())
    endings = ", ".join(f".{ending}" for ending in FILES.values())
    console.print(
        f"Tables: {store.folder.name(f'tables/{sweep.name}')} ({endings})", highlight=False, soft_wrap=True
    )
