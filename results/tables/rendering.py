"""Tables as Markdown, LaTeX, HTML and CSV.

Labels may come from a foreign store. In each format a text is shown, and never interpreted.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from results.scoring.scores import criterion_of
from results.tables import names
from results.tables.latex import latex
from trainables.errors import ConfigurationError
from trainables.registry import closest
from trainables.texts import visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from results.tables.layout import Cell, Row, Table


def render(tables: Sequence[Table], format: str, *, standalone: bool = False) -> str:
    """Tables as one text in one of `FORMATS`.

    Args:
        standalone: LaTeX: a complete document instead of tables to paste into one. The other formats are
            always complete.

    Raises ConfigurationError for an unknown format.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"unknown format {format!r}.{closest(format, FORMATS)}")
    text = latex(tables, standalone=standalone) if format == "latex" else FORMATS[format](tables)
    return visible(text, "\n")


_MARKDOWN = re.compile(r"[\\`*\[\]<>!|~$&]|(?<![^\W_])_|_(?![^\W_])")
"""Characters with a meaning in a line of GitHub's Markdown. A '_' within a word has none."""


def markdown(tables: Sequence[Table]) -> str:
    """GitHub's Markdown, padded to be readable as plain text."""
    return "\n".join(_markdown_table(table) for table in tables)


def _markdown_table(table: Table) -> str:
    lines = [
        [
            *("Data set", "Model"),
            *(
                f"{_markdown_text(names.loss(loss))} {table.heading(scaling)}".rstrip()
                for loss, scaling in table.columns
            ),
        ]
    ]
    for row in table.rows:
        place = [_markdown_text(names.dataset(row.dataset)), _markdown_text(row.name)]
        lines.append([*place, *(_markdown_cell(table, c) for c in row.cells)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [f"{'-' * width}" if place < 2 else f"{'-' * (width - 1)}:" for place, width in enumerate(widths)]
    padded = [
        [text.ljust(width) if place < 2 else text.rjust(width) for place, (text, width) in enumerate(cells)]
        for cells in (zip(line, widths, strict=True) for line in lines)
    ]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])
    notes = "".join(f"\n{_markdown_text(note)}\n" for note in table.notes)
    title, caption = _markdown_text(table.metric.title), _markdown_text(table.caption)
    return f"### {title}\n\n{caption}\n\n{grid}\n{notes}"


def _markdown_text(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))


def _markdown_cell(table: Table, cell: Cell | None) -> str:
    mean, deviation, temperature, seeds = table.pieces(cell)
    text = f"**{mean}**" if cell is not None and cell.best else mean
    text += f" ± {deviation}" if deviation else ""
    return text + (f" ({temperature})" if temperature else "") + (f", {seeds}" if seeds else "")


def html(tables: Sequence[Table]) -> str:
    """One self-contained page."""
    return html_environment().get_template("tables.html.j2").render(tables=[_html_table(t) for t in tables])


def html_environment() -> Environment:
    """The templates of this package. `tables.html.j2` shows how to embed tables into another page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("results.tables"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def _html_table(table: Table) -> dict[str, object]:
    return {
        "name": table.metric.name,
        "title": table.metric.title,
        "caption": table.caption,
        "losses": [names.loss(loss) for loss in table.losses],
        "headings": table.headings,
        "groups": [
            (
                names.dataset(dataset),
                [
                    (row.name, [(table.pieces(c), c is not None and c.best) for c in row.cells])
                    for row in rows
                ],
            )
            for dataset, rows in by_dataset(table.rows)
        ],
        "notes": table.notes,
    }


def by_dataset(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Groups rows, which are sorted by data set."""
    return [(dataset, list(group)) for dataset, group in groupby(rows, key=lambda row: row.dataset)]


CSV_COLUMNS = [
    "dataset",
    "model",
    "settings",
    "variant",
    "loss",
    "metric",
    "scaling",
    "criterion",
    "mean",
    "standard_deviation",
    "unit",
    "seeds",
    "missing_seeds",
    "temperature",
]


def tidy_csv(tables: Sequence[Table]) -> str:
    """One line per cell, for programs: labels as stored, numbers in the stored unit and at full precision.

    A spreadsheet runs a text that begins with '=' or the like as a formula, so such a text gets a "'" in
    front. `missing_seeds` are separated by spaces. Undefined values are empty. If the trials of a cell were
    made by code that computes different numbers, a last column `mixed_code` flags each cell (1 or 0).
    """
    mixed = any(cell is not None and cell.mixed for t in tables for row in t.rows for cell in row.cells)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *["mixed_code"] * mixed])
    for table in tables:
        for row in table.rows:
            for (loss, scaling), cell in zip(table.columns, row.cells, strict=True):
                if cell is not None:
                    line = _csv_line(table, row, loss, scaling, cell)
                    line = [_no_formula(field) if isinstance(field, str) else field for field in line]
                    writer.writerow([*line, *[int(cell.mixed)] * mixed])
    return text.getvalue()


def _no_formula(text: str) -> str:
    text = visible(text)
    return f"'{text}" if re.match(r"\s*[=+@\-\uff1d\uff0b\uff20\uff0d]", text) else text


def _csv_line(table: Table, row: Row, loss: str, scaling: str, cell: Cell) -> list[object]:
    criterion = criterion_of(table.calibrator) or table.calibrator if scaling == "after" else ""
    mean, deviation, temperature = (
        "" if math.isnan(number) else number for number in (cell.mean, cell.deviation, cell.temperature)
    )
    missing = " ".join(map(str, cell.missing))
    what = [row.dataset, row.model, row.settings, cell.variant, loss, table.metric.name, scaling, criterion]
    return [*what, mean, deviation, table.metric.stored_unit, cell.seeds, missing, temperature]


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "md": markdown,
    "latex": latex,
    "html": html,
    "csv": tidy_csv,
}
