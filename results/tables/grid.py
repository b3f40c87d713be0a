"""Arranges result tables in grids for print: which way round, how many columns, what is printed in a cell.

A sweep of few networks has a line for each loss and all metrics side by side; one of many networks has a grid
for each metric, with a line for each network and a column for each loss, as in the papers. A grid that is
wider than its format allows is divided, so that nothing is ever printed smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple, Protocol

from results.tables import names
from results.tables.layout import Cell, Row, Table
from results.tables.warnings import FEW

FEW_NETWORKS = 3
"""Most networks whose losses are lines: beyond, each metric has its own grid."""

HEADING = 1.6
"""Height of a heading between lines, with its rule, in lines."""

AS_BEFORE = "Marks as in part 1."
"""The reading of a part of a grid after the first."""

GAP = 2
"""Letters between two columns, for widths."""


class Printed(NamedTuple):
    """The text of a cell; absent parts are empty.

    Attributes:
        mean: With its marks.
        deviation: Standard deviation over the seeds.
        aside: A temperature or a number of seeds.
        best: Whether it is the best of its row, or cannot be told from it.
    """

    mean: str = ""
    deviation: str = ""
    aside: str = ""
    best: bool = False

    @property
    def width(self) -> int:
        return (
            len(self.mean)
            + (3 + len(self.deviation)) * bool(self.deviation)
            + (2 + len(self.aside)) * bool(self.aside)
        )


@dataclass(frozen=True)
class Group:
    """Columns below one heading: a metric's or a loss's, before and after calibration.

    Attributes:
        heading: Of all its columns.
        subheadings: Of each.
        cells: Of each line: one text for each column.
        about: A sentence on the heading; may be empty.
    """

    heading: str
    subheadings: tuple[str, ...]
    cells: tuple[tuple[Printed, ...], ...]
    about: str = ""

    def width(self, measure: Callable[[str], int]) -> int:
        """In letters, with the gaps before its columns."""
        each = [
            max(measure(heading), *(line[place].width for line in self.cells))
            for place, heading in enumerate(self.subheadings)
        ]
        return max(measure(self.heading), sum(each) + GAP * (len(each) - 1)) + GAP


@dataclass(frozen=True)
class Line:
    """Attributes:
    group: Heading of the lines to which it belongs; empty for none.
    label: Name of the line.
    """

    group: str
    label: str


@dataclass(frozen=True)
class Grid:
    """Attributes:
    name: Identifies it within its file: letters, digits and hyphens.
    title: Short.
    about: What it shows, beside its groups.
    reading: How to read it; empty if an earlier part says it.
    corner: Heading of the labels.
    """

    name: str
    title: str
    about: str
    reading: tuple[str, ...]
    corner: str
    lines: tuple[Line, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]

    @property
    def caption(self) -> str:
        abouts = (group.about for group in self.groups)
        return " ".join(filter(None, (self.about, *abouts, *self.reading)))

    @property
    def columns(self) -> int:
        """Their number, without the labels."""
        return sum(len(group.subheadings) for group in self.groups)


@dataclass(frozen=True)
class Names:
    """Printed names of the data sets and models of some rows, by their labels."""

    datasets: dict[str, str]
    models: dict[str, str]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Names:
        few = {row.dataset for row in rows if row.few}
        datasets = names.short((row.dataset for row in rows), names.dataset)
        return cls(
            {label: name + FEW * (label in few) for label, name in datasets.items()},
            names.short((row.model for row in rows), names.model),
        )

    def model(self, row: Row) -> str:
        """With the settings, if there are any."""
        return self.models[row.model] + (f" ({row.settings})" if row.settings else "")

    def notes(self, rows: Sequence[Row]) -> tuple[str, ...]:
        datasets = names.notes((row.dataset for row in rows), names.dataset)
        return *datasets, *names.notes((row.model for row in rows), names.model)


class Arranged(Protocol):
    """Makes grids of tables; arguments as of `arrange`."""

    def __call__(
        self,
        tables: Sequence[Table],
        width: int,
        height: int | None = None,
        measure: Callable[[str], int] = len,
    ) -> list[Grid]: ...


def arrange(
    tables: Sequence[Table], width: int, height: int | None = None, measure: Callable[[str], int] = len
) -> list[Grid]:
    """The grids of some tables, in their order.

    Args:
        width: Letters that fit on a line.
        height: Lines that fit in one grid; None for any number.
        measure: The printed width of a text, in letters.
    """
    found: list[Grid] = []
    for _, group in groupby(tables, key=lambda table: (table.losses, _networks(table))):
        alike = list(group)
        rows, losses = alike[0].rows, alike[0].losses
        shown = Names.of(rows)
        if len(rows) <= FEW_NETWORKS and len(losses) > len(rows):
            found += [_of_network(alike, place, shown) for place in range(len(rows))]
        else:
            found += [_of_metric(table, shown) for table in alike]
    return [part for grid in found for part in divided(grid, width, height, measure)]


def divided(grid: Grid, width: int, height: int | None, measure: Callable[[str], int]) -> list[Grid]:
    """The same columns and lines in several grids, each as wide and high as allowed.

    A single group of columns is never divided. Only the last grid has the notes.
    """
    label = max(measure(grid.corner), *(measure(line.label) for line in grid.lines))
    widths = [group.width(measure) for group in grid.groups]
    parts: list[list[Group]] = [[]]
    taken = label
    for group, own in zip(grid.groups, widths, strict=True):
        if parts[-1] and taken + own > width:
            parts.append([])
            taken = label
        parts[-1].append(group)
        taken += own
    blocks = _blocks(grid.lines, math.inf if height is None else height)
    pieces = [(groups, block) for block in blocks for groups in parts]
    found = []
    for number, (groups, block) in enumerate(pieces, 1):
        shown = tuple(replace(group, cells=group.cells[block.start : block.stop]) for group in groups)
        several = len(pieces) > 1
        found.append(
            replace(
                grid,
                name=f"{grid.name}-{number}" if several else grid.name,
                title=f"{grid.title} ({number} of {len(pieces)})" if several else grid.title,
                lines=grid.lines[block.start : block.stop],
                groups=shown,
                reading=grid.reading if number == 1 else (AS_BEFORE,),
                notes=grid.notes if number == len(pieces) else (),
            )
        )
    return found


def _blocks(lines: Sequence[Line], height: float) -> list[range]:
    """Lines by position, in blocks of at most this height. A heading takes the room of `HEADING` lines."""
    starts, taken = [0], 0.0
    for place, line in enumerate(lines):
        headed = bool(line.group) and (place == starts[-1] or lines[place - 1].group != line.group)
        taken += 1 + HEADING * headed
        if taken > height and place > starts[-1]:
            starts.append(place)
            taken = 1 + HEADING * bool(line.group)
    return [range(start, stop) for start, stop in pairwise([*starts, len(lines)])]


def _networks(table: Table) -> tuple[tuple[str, str, str], ...]:
    return tuple((row.dataset, row.model, row.settings) for row in table.rows)


def _of_network(tables: Sequence[Table], place: int, shown: Names) -> Grid:
    """All metrics of one network: a line for each loss."""
    row = tables[0].rows[place]
    width = len(tables[0].scalings)
    losses = [n for n in range(len(tables[0].losses)) if row.cells[n * width] is not None]
    first = [row.cells[n * width] for n in losses]
    labels = [
        names.loss(tables[0].losses[n]) + (f" ({seeds})" if (seeds := tables[0].pieces(cell).seeds) else "")
        for n, cell in zip(losses, first, strict=True)
    ]
    groups: list[Group] = []
    with_temperatures: set[int | None] = set()
    tables = [table for table in tables if not _says_nothing(table.rows[place])] or tables
    for table in tables:
        columns = list(_columns(table, place, losses))
        last = _cells(table, place, losses, len(table.scalings) - 1)
        temperatures = tuple(Printed(table.pieces(cell).temperature) for cell in last)
        if table.epoch not in with_temperatures and any(each.mean for each in temperatures):
            # They are the same for all metrics of an epoch.
            columns.append(("T", temperatures))
            with_temperatures.add(table.epoch)
        headings, texts = zip(*columns, strict=True)
        groups.append(Group(table.metric.title, headings, tuple(zip(*texts, strict=True)), about=table.about))
    network = f"{shown.datasets[row.dataset]} / {shown.model(row)}"
    return Grid(
        slug(network),
        network,
        f"{network}.",
        tuple(dict.fromkeys(line for table in tables for line in table.reading)),
        "Loss",
        tuple(Line("", label) for label in labels),
        tuple(groups),
        tuple(dict.fromkeys([*shown.notes([row]), *(note for table in tables for note in table.notes)])),
    )


def _says_nothing(row: Row) -> bool:
    return any(cell is not None and cell.says_nothing for cell in row.cells)


def _columns(table: Table, place: int, losses: Sequence[int]) -> Iterator[tuple[str, tuple[Printed, ...]]]:
    """Heading and cells of each column of one network's metric."""
    for number, scaling in enumerate(table.scalings):
        cells = _cells(table, place, losses, number)
        yield table.heading(scaling), tuple(printed(table, cell) for cell in cells)
        if table.has_floors:
            yield "floor", tuple(Printed(floor(table, [cell])) for cell in cells)


def _cells(table: Table, place: int, losses: Sequence[int], scaling: int) -> list[Cell | None]:
    width = len(table.scalings)
    return [table.rows[place].cells[loss * width + scaling % width] for loss in losses]


def _of_metric(table: Table, shown: Names) -> Grid:
    """One metric of all networks: a line for each, and columns for each loss."""
    width = len(table.scalings)
    headings = tuple(table.heading(scaling) for scaling in table.scalings)
    groups = [
        Group(
            names.loss(loss),
            headings,
            tuple(
                tuple(printed(table, cell, aside=True) for cell in row.cells[n * width : (n + 1) * width])
                for row in table.rows
            ),
        )
        for n, loss in enumerate(table.losses)
    ]
    if table.has_floors:
        cells = tuple(
            tuple(Printed(floor(table, row.cells[number::width])) for number in range(width))
            for row in table.rows
        )
        groups.append(Group("Noise floor", headings, cells))
    return Grid(
        slug(table.metric.name if table.epoch is None else f"{table.metric.name} epoch {table.epoch}"),
        table.metric.title,
        table.about,
        table.reading,
        "Model",
        tuple(Line(shown.datasets[row.dataset], shown.model(row)) for row in table.rows),
        tuple(groups),
        (*shown.notes(table.rows), *table.notes),
    )


def printed(table: Table, cell: Cell | None, aside: bool = False) -> Printed:
    """The text of a cell.

    Args:
        aside: Whether to add its temperature, and its number of seeds if that is not the usual one.
    """
    mean, deviation, temperature, seeds = table.pieces(cell)
    beside = ", ".join(filter(None, (temperature, seeds))) if aside else ""
    return Printed(mean, deviation, beside, cell is not None and cell.best)


def floor(table: Table, cells: Sequence[Cell | None]) -> str:
    """'1.7 (2.2)': mean and 95% point; of several cells the range of the means and the highest point."""
    floors = [cell.floor for cell in cells if cell is not None and cell.floor is not None]
    if not floors:
        return ""
    means = sorted(each.mean for each in floors)
    shown = dict.fromkeys(f"{100 * mean:.1f}" for mean in (means[0], means[-1]))
    return f"{'-'.join(shown)} ({100 * max(each.upper for each in floors):.1f})"


def slug(text: str) -> str:
    """Letters, digits and hyphens: 'sst-tree-lstm'."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
