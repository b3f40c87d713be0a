"""Tables in LaTeX, for papers; they need only booktabs.

All are printed in one size, never below 7 points: columns and lines that do not fit go into another float.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from results.tables.grid import Arranged, arrange, slug
from trainables.texts import visible

if TYPE_CHECKING:
    from results.tables.grid import Grid, Printed
    from results.tables.layout import Table

WIDTH, HEIGHT = 80, 42
"""Letters and lines of a float in an article of 10 points: 345 points wide, and 7 points a letter high."""

DOCUMENT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
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
    "°": r"$^\circ$",
    "‡": r"$^\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
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


def _printed_width(text: str) -> int:
    """In letters: a character by its number takes eight."""
    return sum(1 if character.isascii() or len(_escaped(character)) < 8 else 8 for character in text)


def latex(
    tables: Sequence[Table], *, standalone: bool = False, prefix: str = "", arranged: Arranged = arrange
) -> str:
    """`table` floats, or a document with them. Fragments need `\\usepackage{booktabs}`.

    Args:
        prefix: Begins all labels, so that the tables of two sweeps can be in one paper.
        arranged: Makes the grids.
    """
    grids = arranged(tables, WIDTH, HEIGHT, _printed_width)
    floats = "\n".join(_float(grid, prefix) for grid in grids)
    if standalone:
        return DOCUMENT % floats
    return "% Needs \\usepackage{booktabs}.\n" + floats


def _float(grid: Grid, prefix: str) -> str:
    label = "tab:" + "-".join(filter(None, (slug(prefix), grid.name)))
    notes = [rf"{escaped(note)}\par" for note in grid.notes]
    if notes:
        notes = [r"\par\smallskip\begin{minipage}{\linewidth}", *notes, r"\end{minipage}"]
    lines = [
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{escaped(grid.caption)}}}",
        rf"\label{{{label}}}\smallskip",
        # 7 points in a document of 10 points.
        r"\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{l*{{{grid.columns}}}{{r}}}}",
        r"\toprule",
        *_heading(grid),
        *_body(grid),
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _heading(grid: Grid) -> list[str]:
    over, under, rules, start = [""], [escaped(grid.corner)], "", 2
    for group in grid.groups:
        width = len(group.subheadings)
        over.append(rf"\multicolumn{{{width}}}{{c}}{{{escaped(group.heading)}}}")
        under += [escaped(text) for text in group.subheadings]
        rules += rf"\cmidrule(lr){{{start}-{start + width - 1}}}"
        start += width
    return [" & ".join(over) + r" \\", rules, " & ".join(under) + r" \\"]


def _body(grid: Grid) -> Iterator[str]:
    for number, line in enumerate(grid.lines):
        above = grid.lines[number - 1].group if number else None
        if number == 0 or line.group != above:
            yield r"\midrule"
            if line.group:
                yield rf"\multicolumn{{{1 + grid.columns}}}{{l}}{{\textit{{{escaped(line.group)}}}}} \\"
        cells = [_cell(cell) for group in grid.groups for cell in group.cells[number]]
        yield " & ".join([escaped(line.label), *cells]) + r" \\"


def _cell(cell: Printed) -> str:
    text = escaped(cell.mean)
    if cell.best:
        text = rf"\textbf{{{text}}}"
    if cell.deviation:
        text += rf"$\,\pm\,${cell.deviation}"
    return text + (f" ({escaped(cell.aside)})" if cell.aside else "")
