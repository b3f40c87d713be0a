"""A grid of tables for the terminal, with two lines of headings."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from results.tables.grid import GAP, Grid, Printed


class PlainGrid:
    """Printable by Rich. The best of each line has a star, for output without bold."""

    def __init__(self, grid: Grid):
        self._grid = grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = self._grid
        yield Text(grid.title, style="bold")
        for number, line in enumerate(self._lines()):
            style = console.get_style("quiet" if number < 2 else "none")
            if line.strip():
                yield Segment(f"{line.rstrip()}\n", style)
        yield Segment.line()
        for sentence in filter(None, (grid.about, *grid.reading, *grid.notes)):
            yield Text(sentence.replace("Bold:", "*:"), style="quiet")

    def _lines(self) -> Iterator[str]:
        """Two lines of headings, then the others."""
        grid = self._grid
        indented = any(line.group for line in grid.lines)
        labels = [f"{'  ' * indented}{line.label}" for line in grid.lines]
        label = max(map(cell_len, [grid.corner, *labels, *(line.group for line in grid.lines)]))
        sizes = [
            [
                max(cell_len(heading), *(cell_len(_text(cells[place])) for cells in group.cells))
                for place, heading in enumerate(group.subheadings)
            ]
            for group in grid.groups
        ]
        for group, widths in zip(grid.groups, sizes, strict=True):
            widths[0] += max(0, cell_len(group.heading) - sum(widths) - GAP * (len(widths) - 1))
        over, under = " " * label, set_cell_size(grid.corner, label)
        for group, widths in zip(grid.groups, sizes, strict=True):
            room = sum(widths) + GAP * (len(widths) - 1)
            over += (
                " " * GAP + group.heading.center(room)
                if len(widths) > 1
                else " " * GAP + group.heading.rjust(room)
            )
            under += "".join(
                " " * GAP + text.rjust(w) for text, w in zip(group.subheadings, widths, strict=True)
            )
        yield over
        yield under
        above = ""
        for number, line in enumerate(grid.lines):
            if line.group != above:
                yield line.group
                above = line.group
            cells = (
                " " * GAP + _text(cell).rjust(width)
                for group, widths in zip(grid.groups, sizes, strict=True)
                for cell, width in zip(group.cells[number], widths, strict=True)
            )
            yield set_cell_size(labels[number], label) + "".join(cells)


def _text(cell: Printed) -> str:
    deviation = f"±{cell.deviation}" if cell.deviation else ""
    beside = f" ({cell.aside})" if cell.aside else ""
    return f"{'*' if cell.best else ''}{cell.mean}{deviation}{beside}"
