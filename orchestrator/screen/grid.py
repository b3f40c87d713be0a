"""A grid of short texts. Looks like Rich's tables, which take seconds for thousands of rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from trainables.texts import visible

BETWEEN = 2
"""Spaces between columns."""


class Grid:
    """Rows of a left-aligned label and right-aligned cells, below a bold heading.

    Args:
        heading: One text per column.
        rows: One text per column each.
    """

    def __init__(self, heading: Sequence[str], rows: Sequence[Sequence[Text]]):
        self.heading = [Text(visible(text)) for text in heading]
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [self.heading, *self.rows]
        widths = [max(cell_len(text.plain) for text in column) for column in zip(*lines, strict=True)]
        if sum(widths) + BETWEEN * (len(widths) - 1) > options.max_width:
            yield self.folded()
            return
        for line in lines:
            for place, (text, width) in enumerate(zip(line, widths, strict=True)):
                room = Segment(" " * (width - cell_len(text.plain)))
                if place:
                    yield Segment(" " * BETWEEN)
                    yield room
                if line is self.heading:
                    yield Segment(text.plain, console.get_style("bold"))
                else:
                    yield from text.render(console)
                if not place:
                    yield room
            yield Segment.line()

    def folded(self) -> Table:
        """As a table that folds wide cells."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place, text in enumerate(self.heading):
            table.add_column(text, justify="right" if place else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table
