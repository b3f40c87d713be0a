"""Prints gap matrices."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console

from orchestrator.command_line.copied import typed
from orchestrator.screen import tables, warnings
from orchestrator.screen.plain_grid import PlainGrid
from orchestrator.screen.terminal import warn
from orchestrator.use_cases.gaps import Gaps
from results.tables.gap_grids import Arranger
from results.tables.gaps import METRICS
from results.tables.grid import AS_BEFORE


def print_gaps(gaps: Gaps, console: Console) -> None:
    grids = Arranger(gaps.matrices)([], console.width, measure=cell_len)
    for grid in grids:
        console.print(PlainGrid(replace(grid, about="", reading=(), notes=())))
    sentences = dict.fromkeys(text for grid in grids for text in (*grid.reading, *grid.notes))
    for text in sentences:
        if text != AS_BEFORE:
            console.print(text.replace("Bold:", "*:"), style="quiet")


def warn_of(gaps: Gaps) -> None:
    """Prints to standard error the omitted rows and calibrators, and how to speed up reading."""
    tables.warn_of_damaged(gaps.damaged)
    for line in warnings.loose_rows(gaps.store, gaps.loose_rows):
        warn(line)
    if gaps.left_out:
        options = {"store": gaps.store, "metric": METRICS, "calibrator": gaps.left_out}
        command = typed("store rescore", options)
        warn(f"without {', '.join(gaps.left_out)}, whose scores are not computed: {command}")
