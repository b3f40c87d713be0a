"""Prints result tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console

from orchestrator.screen import warnings
from orchestrator.screen.plain_grid import PlainGrid
from orchestrator.screen.terminal import warn
from orchestrator.use_cases.tables import Tables, Written
from results.tables import papers
from results.tables.layout import Table
from results.tables.screen import Screen

MORE = (
    "Other scores: --metric NAME (`calibsweep list metrics`). All tables, also those of other data than "
    "the test set: --output FILE, or --format md, latex, html or csv."
)


def print_tables(tables: Tables, console: Console) -> None:
    if tables.table:
        for grid in papers.Layout.of(tables.table).arrange(tables.on_test_set, console.width):
            console.print(PlainGrid(grid))
        return
    _print([*tables.on_test_set, *tables.on_other_data], console)


def print_written(written: Written, console: Console) -> None:
    """Prints the tables of a run and the names of their files."""
    _print(written.shown, console)
    parts = [file.rpartition(".") for file in written.files.values()]
    endings = ", ".join(f".{ending}" for _, _, ending in parts)
    console.print(f"Tables: {parts[0][0]} ({endings})", highlight=False, soft_wrap=True)


def _print(tables: Sequence[Table], console: Console) -> None:
    # Different tasks have different trials, and so have evaluations on other data: each gets its own grids.
    for _, alike in groupby(tables, key=lambda table: (table.metric.task, table.data)):
        console.print(Screen([*alike]))


def warn_of(tables: Tables) -> None:
    """Prints to standard error the omitted rows, and how to speed up reading."""
    warn_of_damaged(tables.damaged)
    for line in warnings.loose_rows(tables.store, tables.loose_rows):
        warn(line)


def warn_of_damaged(rows: Sequence[str]) -> None:
    for name in rows:
        warn(f"damaged and skipped: {name}. Run the sweep again.")
