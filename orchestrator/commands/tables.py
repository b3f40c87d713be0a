"""`calibsweep tables`, and the tables at the end of a run. Loads neither torch nor Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.command_line import copied
from results import out_of_distribution, scored_sets
from results.rendering import render
from results.scores import DEFAULT
from results.screen import screen
from results.store import Store
from results.tables import build
from sweeps.expand import Sweep, expected_frame, load
from trainables.errors import ConfigurationError
from trainables.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

FILES = {"md": "md", "latex": "tex", "html": "html", "csv": "csv"}
"""Format and file name ending of the tables that a run leaves in the store."""

MANY_LOOSE_ROWS = 2000
"""From here on reading one-row files takes seconds, and a compacted copy is worth a hint."""


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
    """Prints the tables of a store to standard output, in a format or as a view for the screen."""
    sweep = load(sweep_name, overrides) if sweep_name else None
    store = Store(uri)
    frame = trials(store, sweep.trials if sweep else None)
    expected = expected_frame(sweep.trials) if sweep else None
    chosen = criterion or (sweep.temperature_criterion if sweep else "ece")
    if format is None:
        console.print(screen(frame, expected, chosen))
        return
    built = build(frame, expected, chosen, metrics or DEFAULT)
    if not metrics:
        built += out_of_distribution.build(scored_sets.frame(store), sweep.trials if sweep else None, chosen)
    sys.stdout.write(render(built, format, standalone=standalone))


def trials(store: Store, like: Iterable[Trial] | None = None) -> pd.DataFrame:
    """Finished trials of a store, with a warning on standard error for each damaged row.

    Args:
        like: Only trials of the data sets and models of these; None for all there are.

    Raises:
        ConfigurationError: A store without any.
    """
    frame = store.trials(like)
    for path in frame.attrs["damaged"]:
        sys.stderr.write(
            f"calibsweep: damaged and left out: {store.folder.name(path)}; run the sweep again.\n"
        )
    if frame.attrs["loose_rows"] > MANY_LOOSE_ROWS:
        faster = copied.typed("store compact", {"store": store.uri})
        sys.stderr.write(f"calibsweep: faster after: {faster}\n")
    if frame.empty:
        raise ConfigurationError(f"no finished trial in the store {store.uri}: run a sweep first.")
    return frame


def print_and_write(sweep: Sweep, store: Store, console: Console) -> None:
    """The tables of a sweep on the screen, and in all formats as files under tables/ in the store."""
    frame, expected = trials(store, sweep.trials), expected_frame(sweep.trials)
    console.print(screen(frame, expected, sweep.temperature_criterion))
    built = build(frame, expected, sweep.temperature_criterion)
    built += out_of_distribution.build(scored_sets.frame(store), sweep.trials, sweep.temperature_criterion)
    for format, ending in FILES.items():
        text = render(built, format, standalone=True)
        store.folder.write(f"tables/{sweep.name}.{ending}", text.encode())
    endings = ", ".join(f".{ending}" for ending in FILES.values())
    console.print(
        f"Tables: {store.folder.name(f'tables/{sweep.name}')} ({endings})", highlight=False, soft_wrap=True
    )
