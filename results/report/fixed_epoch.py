"""Grids of the scores after a fixed epoch beside those of the reported one."""

from __future__ import annotations

from collections.abc import Sequence

from results.report.page import FixedEpoch, Grid
from results.tables import names
from results.tables.layout import Cell, Table


def fixed_epoch(tables: Sequence[Table]) -> FixedEpoch:
    """One grid for each network.

    Args:
        tables: From `Epoch.beside`: of each metric that of the reported epoch, then that of the fixed one.
    """
    fixed = [table for table in tables if table.epoch is not None]
    places = dict.fromkeys((row.dataset, row.model, row.settings) for row in tables[0].rows)
    titles = names.networks(places)
    grids = []
    for place in places:
        of_tables = [_texts(table, place) for table in tables]
        losses = [loss for loss in tables[0].losses if any(loss in texts for texts in of_tables)]
        head = [f"{table.metric.title} {text}".strip() for table in tables for text in _headings(table)]
        lines = tuple(
            (
                names.loss(loss),
                *(
                    text
                    for table, texts in zip(tables, of_tables, strict=True)
                    for text in texts.get(loss, [""] * len(table.scalings))
                ),
            )
            for loss in losses
        )
        grids.append(Grid(titles[place], ("loss", *head), lines))
    number = fixed[0].epoch or 0
    notes = dict.fromkeys([note for table in fixed for note in table.notes if f"poch {number}" in note])
    marks = dict.fromkeys(table.bold for table in fixed if table.bold)
    return FixedEpoch(number, tuple(grids), (*notes, *marks))


def _headings(table: Table) -> list[str]:
    of_epoch = "" if table.epoch is not None else "reported epoch"
    return [", ".join(filter(None, (table.heading(scaling), of_epoch))) for scaling in table.scalings]


def _texts(table: Table, place: tuple[str, str, str]) -> dict[str, list[str]]:
    """The printed means with deviations of each loss on a network, by scaling."""
    found: dict[str, list[str]] = {}
    for row in table.rows:
        if (row.dataset, row.model, row.settings) == place:
            for (loss, _), cell in zip(table.columns, row.cells, strict=True):
                found.setdefault(loss, []).append(_text(table, cell))
    return found


def _text(table: Table, cell: Cell | None) -> str:
    pieces = table.pieces(cell)
    return f"{pieces.mean} ± {pieces.deviation}" if pieces.deviation else pieces.mean
