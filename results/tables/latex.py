"""Tables in LaTeX, for papers; they need only booktabs and graphicx.

A printed line holds the columns of about five losses. More losses go into panels below one another, in one
tabular, so that all are printed in one size. Rows that do not fit a page go into a further float.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from results.tables import names
from trainables.texts import visible

if TYPE_CHECKING:
    from results.tables.layout import Cell, Row, Table

COLUMNS = 10
"""Largest number of numeric columns in one panel."""

LINES, LINES_SHRUNK = 33.0, 44.0
"""Greatest height of one float, in lines: a float cannot break over pages. Tables with `COLUMNS` columns of
means and temperatures are printed smaller, and hold more.
"""

HEADING, RULE = 3.0, 0.4
"""Heights, in lines, of a panel's heading and of the rule above a data set."""

DOCUMENT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
%s\end{document}
"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "—": "--",
    "†": r"$^\dagger$",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # At the end of a row these would start its arguments, and in German '"' changes the next letter.
    **{"[": "{[}", "*": "{*}", '"': r"\char34{}"},
    **{character: "\\" + character for character in "_%&#${}"},
}

_ACCENTS = dict(
    zip(
        ("\u0300", "\u0301", "\u0302", "\u0303", "\u0308", "\u030a", "\u030c", "\u0327"),
        ("`", "'", "^", "~", '"', "r", "v", "c"),
        strict=True,
    )
)


def escaped(text: str) -> str:
    """Text for LaTeX, in ASCII, with special characters escaped.

    Characters missing from the standard fonts are replaced by their number, [U+6570]: an unknown character
    would be an error that prevents the document.
    """
    return "".join(map(_escaped, unicodedata.normalize("NFC", visible(text))))


@functools.cache
def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character
    decomposed = unicodedata.normalize("NFD", character)
    letter, accent = decomposed[0], decomposed[1:]
    if letter.isascii() and accent in _ACCENTS:
        return rf"\{_ACCENTS[accent]}{{{letter}}}"
    return f"{{[}}U+{ord(character):04X}]"


def latex(tables: Sequence[Table], *, standalone: bool = False) -> str:
    """`table*` floats, or a document with them. Fragments need `\\usepackage{booktabs,graphicx}`."""
    floats = "\n".join(text for table in tables for text in _floats(table))
    if standalone:
        return DOCUMENT % floats
    return "% Needs \\usepackage{booktabs,graphicx}.\n" + floats


def _floats(table: Table) -> Iterator[str]:
    panels = _panels(table)
    bodies = _pages(table, panels)
    width = max(len(panel) for panel in panels) * len(table.scalings)
    for number, body in enumerate(bodies):
        part = f" Part {number + 1} of {len(bodies)}." if len(bodies) > 1 else ""
        label = f"tab:{table.metric.name.replace('_', '-')}" + (f"-{number + 1}" if number else "")
        notes = [rf"{escaped(note)}\par" for note in table.notes] if number == len(bodies) - 1 else []
        if notes:
            below = r"\par\medskip\begin{minipage}{\textwidth}\footnotesize"
            notes = [below, *notes, r"\end{minipage}"]
        lines = [
            r"\begin{table*}[tbp]",
            r"\centering",
            rf"\caption{{{escaped(table.caption + part)}}}",
            rf"\label{{{label}}}\medskip",
            # Scaled down to the width of the text if necessary, never up.
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{ll*{{{width}}}{{c}}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *notes,
            r"\end{table*}",
        ]
        yield "\n".join(lines) + "\n"


def _panels(table: Table) -> list[range]:
    """Distributes the losses evenly over panels, by position."""
    most = COLUMNS // len(table.scalings)
    count = -(-len(table.losses) // most)
    edges = [round(panel * len(table.losses) / count) for panel in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _chunks(table: Table, panels: int) -> list[list[Row]]:
    """Distributes the rows over floats, as many per float as fit."""
    room = (LINES_SHRUNK if panels > 1 and table.scaled else LINES) / panels - HEADING
    chunks: list[list[Row]] = []
    height = 0.0
    for row in table.rows:
        above = chunks[-1][-1].dataset if chunks else None
        height += 1 + RULE * (row.dataset != above)
        if not chunks or height > room:
            chunks.append([])
            height = 1 + RULE
        chunks[-1].append(row)
    return chunks


def _pages(table: Table, panels: Sequence[range]) -> list[list[str]]:
    """Lines of each float: all panels of some rows."""
    pages = []
    for rows in _chunks(table, len(panels)):
        lines: list[str] = []
        for panel in panels:
            lines += [*([r"\midrule[\heavyrulewidth]"] if lines else []), *_heading(table, panel)]
            for place, row in enumerate(rows):
                first = place == 0 or rows[place - 1].dataset != row.dataset
                if first:
                    lines.append(r"\midrule")
                lines.append(_line(table, panel, row, first))
        pages.append(lines)
    return pages


def _heading(table: Table, panel: range) -> list[str]:
    losses = [escaped(names.loss(table.losses[place])) for place in panel]
    if not table.scaled:
        return [" & ".join(["Data set", "Model", *losses]) + r" \\"]
    over = " & ".join(["Data set", "Model", *(rf"\multicolumn{{2}}{{c}}{{{loss}}}" for loss in losses)])
    rules = "".join(rf"\cmidrule(lr){{{start}-{start + 1}}}" for start in range(3, 3 + 2 * len(losses), 2))
    return [over + r" \\", rules, " & ".join(["", "", *table.headings * len(losses)]) + r" \\"]


def _line(table: Table, panel: range, row: Row, first: bool) -> str:
    width = len(table.scalings)
    cells = row.cells[panel.start * width : panel.stop * width]
    dataset = escaped(names.dataset(row.dataset)) if first else ""
    return " & ".join([dataset, escaped(row.name), *(_cell(table, cell) for cell in cells)]) + r" \\"


def _cell(table: Table, cell: Cell | None) -> str:
    mean, deviation, temperature, seeds = table.pieces(cell)
    text = escaped(mean)
    if cell is not None and cell.best:
        text = rf"\textbf{{{text}}}"
    if deviation:
        text += rf"{{\scriptsize$\,\pm\,${deviation}}}"
    if seeds:
        text += rf"$^{{{seeds}}}$"
    return text + (f" ({temperature})" if temperature else "")
