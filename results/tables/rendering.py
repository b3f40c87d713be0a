"""Tables as Markdown, LaTeX, HTML and CSV.

Labels may come from a foreign store. In each format a text is shown, and never interpreted.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from results.scoring.scores import criterion_of
from results.tables.grid import Arranged, arrange
from results.tables.latex import latex
from results.tables.warnings import too_few
from trainables.errors import ConfigurationError
from trainables.registry import closest
from trainables.texts import visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from results.tables.grid import Grid, Printed
    from results.tables.layout import Cell, Row, Table

MARKDOWN_WIDTH, HTML_WIDTH = 160, 160
"""Letters of a grid that fit on a screen."""


def render(
    tables: Sequence[Table],
    format: str,
    *,
    standalone: bool = False,
    sweep: str = "",
    arranged: Arranged = arrange,
) -> str:
    """Tables as one text in one of `FORMATS`.

    Args:
        standalone: LaTeX: a complete document instead of tables to paste into one. The other formats are
            always complete.
        sweep: Name of the sweep, for the labels of LaTeX: two sweeps can be in one paper.
        arranged: Makes the grids of all formats but CSV.

    Raises ConfigurationError for an unknown format.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"unknown format {format!r}.{closest(format, FORMATS)}")
    if format == "latex":
        text = latex(tables, standalone=standalone, prefix=sweep, arranged=arranged)
    else:
        text = FORMATS[format](tables, arranged=arranged)
    return visible(text, "\n")


_MARKDOWN = re.compile(r"[\\`*\[\]<>!|~$&]|(?<![^\W_])_|_(?![^\W_])")
"""Characters with a meaning in a line of GitHub's Markdown. A '_' within a word has none."""


def markdown(tables: Sequence[Table], arranged: Arranged = arrange) -> str:
    """GitHub's Markdown, padded to be readable as plain text."""
    return "\n".join(_markdown_grid(grid) for grid in arranged(tables, MARKDOWN_WIDTH))


def _markdown_grid(grid: Grid) -> str:
    grouped = any(line.group for line in grid.lines)
    corner = ["Data set", grid.corner] if grouped else [grid.corner]
    headings = [f"{group.heading} {sub}".rstrip() for group in grid.groups for sub in group.subheadings]
    lines = [[*corner, *map(markdown_text, headings)]]
    for number, line in enumerate(grid.lines):
        label = [line.group, line.label] if grouped else [line.label]
        cells = [_markdown_cell(cell) for group in grid.groups for cell in group.cells[number]]
        lines.append([*map(markdown_text, label), *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    names_ = len(corner)
    rule = [f"{'-' * w}" if place < names_ else f"{'-' * (w - 1)}:" for place, w in enumerate(widths)]
    padded = [
        [text.ljust(w) if place < names_ else text.rjust(w) for place, (text, w) in enumerate(cells)]
        for cells in (zip(line, widths, strict=True) for line in lines)
    ]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in [padded[0], rule, *padded[1:]])
    notes = "".join(f"\n{markdown_text(note)}\n" for note in grid.notes)
    return f"### {markdown_text(grid.title)}\n\n{markdown_text(grid.caption)}\n\n{rows}\n{notes}"


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))


def _markdown_cell(cell: Printed) -> str:
    text = f"**{cell.mean}**" if cell.best else cell.mean
    text += f" ± {cell.deviation}" if cell.deviation else ""
    return text + (f" ({cell.aside})" if cell.aside else "")


def html(tables: Sequence[Table], arranged: Arranged = arrange) -> str:
    """One self-contained page."""
    return html_environment().get_template("tables.html.j2").render(grids=arranged(tables, HTML_WIDTH))


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
    "noise_floor",
    "noise_floor_95",
    "calibration_p_value",
    "may_be_best",
    "standard_error",
    "standard_error_samples",
    "by_seed",
    "temperature_by_seed",
    "temperature_at_edge",
    "near_chance",
    "test_samples",
    "few_test_samples",
]


def tidy_csv(tables: Sequence[Table], arranged: Arranged = arrange) -> str:
    """One line per cell, for programs: labels as stored, numbers in the stored unit and at full precision.

    A spreadsheet runs a text that begins with '=' or the like as a formula, so such a text gets a "'" in
    front. `missing_seeds` are separated by spaces. `noise_floor` is the mean error if calibrated, and
    `noise_floor_95` its 95% point; `may_be_best` (1 or 0) is printed in bold. `standard_error` is that of the
    mean over the seeds, `standard_error_samples` that of the mean over the test samples. `by_seed` has
    'seed:score' for each seed, separated by spaces. The last ones are `results.tables.warnings`: 1 or 0.
    Undefined values are empty. If the trials of a cell were
    made by code that computes different numbers, a last column `mixed_code` flags each cell (1 or 0). With
    scores after a fixed epoch, a last column `epoch` has it; it is empty for the reported epoch.
    """
    mixed = any(cell is not None and cell.mixed for t in tables for row in t.rows for cell in row.cells)
    of_epochs = any(table.epoch for table in tables)
    return csv_text(
        [*CSV_COLUMNS, *["mixed_code"] * mixed, *["epoch"] * of_epochs],
        (
            [
                *_csv_line(table, row, loss, scaling, cell),
                *[int(cell.mixed)] * mixed,
                *[table.epoch or ""] * of_epochs,
            ]
            for table in tables
            for row in table.rows
            for (loss, scaling), cell in zip(table.columns, row.cells, strict=True)
            if cell is not None
        ),
    )


def csv_text(head: Sequence[str], lines: Iterable[Iterable[object]]) -> str:
    """CSV, with texts that no spreadsheet takes for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(
        [_no_formula(each) if isinstance(each, str) else each for each in line] for line in lines
    )
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
    numbers = [mean, deviation, table.metric.stored_unit, cell.seeds, missing, temperature]
    floor = [cell.floor.mean, cell.floor.upper, cell.floor.p_value] if cell.floor else []
    error, error_samples = (
        "" if math.isnan(number) else f"{number:.6g}"
        for number in (cell.standard_error, cell.standard_error_samples)
    )
    return [
        *what,
        *numbers,
        # Fewer digits than processors agree on.
        *([f"{number:.6g}" for number in floor] or [""] * 3),
        int(cell.best),
        error,
        error_samples,
        by_seed(cell.by_seed),
        by_seed(cell.temperatures),
        int(cell.at_edge),
        *(["", ""] if cell.samples is None else [int(cell.near_chance), cell.samples]),
        "" if cell.samples is None else int(too_few(cell.samples)),
    ]


def by_seed(values: Mapping[int, float]) -> str:
    """'0:0.25 1:0.31'."""
    return " ".join(f"{seed}:{'' if math.isnan(value) else value}" for seed, value in values.items())


FORMATS: dict[str, Callable[..., str]] = {
    "md": markdown,
    "latex": latex,
    "html": html,
    "csv": tidy_csv,
}
