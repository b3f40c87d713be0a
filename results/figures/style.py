"""One look for all figures: readable in print, in black and white, and for colour-blind readers.

Labels come from sweep files and plug-ins: none is read as mathematics.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from results.figures.looks import Line
from results.figures.looks import look as look

WIDTH = 7.0
"""Inches: the width of a page's text."""

CHARACTERS = 15
"""Characters of a line of notes for each inch."""

PRINTED = 8.0
"""Points of the text of axes; no text is smaller than 7."""

SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": PRINTED,
    "axes.titlesize": 9.0,
    "axes.labelsize": PRINTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.borderpad": 0.2,
    "figure.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    # Letters as shapes: the picture is the same on every machine, whatever its fonts.
    "svg.fonttype": "path",
    "svg.hashsalt": "calibsweep",
    "pdf.fonttype": 42,
}

ACCURACY, GAP, BAND, INK = "#4a7fb5", "#d1495b", "#8d8d8d", "#222222"
"""Colours with one meaning everywhere: accuracy, its gap to confidence, what chance does, and lines."""

PART_LINES: dict[str, Line] = {"train": ":", "validation": "--", "test": "-"}


@contextmanager
def styled() -> Iterator[None]:
    """Inside this context, figures have this look, whatever the user's own settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, SETTINGS))
        yield


def new(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches, whose parts are laid out without overlap."""
    return Figure(figsize=(width, height), layout="constrained")


def grid(rows: int, columns: int, height: float, width: float = WIDTH, **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes [rows, columns]. `height` is that of a row, in inches."""
    drawing = new(rows * height, width)
    return drawing, drawing.subplots(rows, columns, squeeze=False, **options)


def heading(drawing: Figure, title: str, *notes: str) -> None:
    """The title of a whole figure, above a line of notes on its data, or several if they are long."""
    across = int(CHARACTERS * drawing.get_figwidth())
    note = "\n".join(textwrap.wrap("; ".join(filter(None, notes)), across))
    drawing.suptitle(f"{title}\n{note}" if note else title)


def plain_numbers(axis: Axis, steps: Sequence[float] = (1,)) -> None:
    """Labels a logarithmic axis with plain numbers, those of `steps` in each decade: 0.01, 1, 20."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def every(points: int, marks: int = 7) -> int:
    """The step between the markers of a line with this number of points."""
    return max(1, points // marks)


def key(drawing: Figure, handles: Sequence[Artist], columns: int = 5) -> None:
    """The legend of a whole figure, below it, in fewer columns if these would be wider than the figure."""
    for number in range(min(columns, len(handles)), 0, -1):
        legend = drawing.legend(handles=list(handles), loc="outside lower center", ncols=number)
        # Text is up to 5% wider at the resolution of files.
        if number == 1 or legend.get_window_extent().width <= 0.94 * drawing.bbox.width:
            return
        legend.remove()


def line_of(loss: str, label: str, **options: Any) -> Line2D:
    """The entry of a loss in a legend."""
    drawn = look(loss)
    return Line2D(
        [], [], color=drawn.color, marker=drawn.marker, linestyle=drawn.line, label=label, **options
    )


def letter(axes: Axes, position: int, title: str) -> None:
    """Titles a panel: '(a) ...'."""
    axes.set_title(f"({chr(ord('a') + position)}) {title}", loc="left")
