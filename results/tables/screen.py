"""Result tables for the terminal: one per data set and model, a row for each loss.

Rich's own tables fold or crop wide content, and take seconds for a store of ten thousand trials. Here long
labels are wrapped, whole columns that do not fit are omitted, and a line says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import pandas as pd
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

from results.scoring.scores import chosen, criterion_of, known_metrics
from results.tables import captions, names
from results.tables.grid import Names, floor
from results.tables.layout import Table
from results.tables.table import build
from trainables.catalogue import CALIBRATORS

ON_SCREEN = ("error", "ece", "adaptive_ece", "nll", "mce")
"""From left to right. On a narrow terminal the rightmost are omitted first."""

ALWAYS_WITH_DEVIATION = 3
"""This many scores keep their deviations if there is no room for all deviations."""

LABEL_SHARE, SHORTEST_LABEL = 4, 12
"""Labels beyond a quarter of the width, or twelve letters, never displace numbers."""


@dataclass(frozen=True)
class Column:
    """One column of all grids: a heading and, for each line, a text and whether it is the best."""

    score: int
    heading: str
    plain: list[tuple[str, bool]]
    full: list[tuple[str, bool]]
    floor: bool = False

    def cells(self, deviations: bool) -> list[tuple[str, bool]]:
        return self.full if deviations else self.plain

    def width(self, deviations: bool) -> int:
        return max(len(self.heading), *(len(text) for text, _ in self.cells(deviations)))


@dataclass(frozen=True)
class Fit:
    """What fits on a line.

    Attributes:
        scores: Number of scores.
        deviations: How many of them have deviations.
        floors: Whether noise floors have columns.
        label: Width of labels.
    """

    scores: int
    deviations: int
    floors: bool
    label: int = 0


class Screen:
    """Printable on a `Terminal`. The best of each grid is bold, and has a star for output without bold."""

    def __init__(self, built: Sequence[Table]):
        self._tables = built
        # Without the name of the data, which is in the title of the grid.
        self._titles = [
            table.metric.title if table.epoch else metric.title
            for table, metric in zip(built, chosen(table.metric.name for table in built), strict=True)
        ]
        shown = Names.of(built[0].rows)
        self._names = shown.notes(built[0].rows)
        self._lines = [
            (f"{shown.datasets[row.dataset]} / {shown.model(row)}", number, place)
            for number, row in enumerate(built[0].rows)
            for place in range(len(built[0].losses))
            if row.cells[place * len(built[0].scalings)] is not None
        ]
        self._losses = [self._name(number, place) for _, number, place in self._lines]
        self._columns = [column for score in range(len(built)) for column in self._columns_of(score)]

    def _name(self, number: int, place: int) -> str:
        """The loss, with its number of seeds if that differs from the usual one."""
        first = self._tables[0]
        cell = first.rows[number].cells[place * len(first.scalings)]
        seeds = first.pieces(cell).seeds
        return names.loss(first.losses[place]) + (f" ({seeds})" if seeds else "")

    def _columns_of(self, score: int) -> Iterator[Column]:
        table = self._tables[score]
        width = len(table.scalings)
        for offset, scaling in enumerate(table.scalings):
            cells = [table.rows[number].cells[place * width + offset] for _, number, place in self._lines]
            printed = [(table.pieces(cell), cell is not None and cell.best) for cell in cells]
            plain = [(pieces.mean, best) for pieces, best in printed]
            full = [
                (f"{pieces.mean}±{pieces.deviation}" if pieces.deviation else pieces.mean, best)
                for pieces, best in printed
            ]
            yield Column(score, table.heading(scaling), plain, full)
            if table.has_floors:
                floors = [(floor(table, [cell]), False) for cell in cells]
                yield Column(score, "floor", floors, floors, floor=True)
            # Temperatures are the same for all scores of an epoch: show them once, after the first.
            earlier = (each for each in self._tables[:score] if each.epoch == table.epoch)
            if scaling == "after" and not any(each.scaled for each in earlier):
                temperatures = [(pieces.temperature, False) for pieces, _ in printed]
                if any(text for text, _ in temperatures):
                    yield Column(score, "T", temperatures, temperatures)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        fit = self._fitting(options.max_width)
        for text, style in self._text(fit, console, options.max_width):
            yield Segment(text, console.get_style(style) if style else None)
        for note in self._notes(fit):
            yield Text(note, style="quiet")

    def _fitting(self, width: int) -> Fit:
        total, longest = len(self._tables), self._longest_label()
        least = min(ALWAYS_WITH_DEVIATION, total)
        label = min(longest, max(width // LABEL_SHARE, SHORTEST_LABEL))
        choices = [
            Fit(total, total, True),
            *(
                Fit(scores, deviations, False)
                for scores in range(total, 0, -1)
                # Prefer a number without its deviation to no calibration error at all.
                for deviations in range(scores, (min(scores, least) if scores > 2 else 0) - 1, -1)
            ),
        ]
        fit = next((c for c in choices if label + self._width_of_numbers(c) <= width), choices[-1])
        # Labels get the remaining width.
        room = width - self._width_of_numbers(fit)
        return replace(fit, label=min(longest, max(room, SHORTEST_LABEL)))

    def _longest_label(self) -> int:
        return max(map(cell_len, self._losses))

    def _width_of_numbers(self, fit: Fit) -> int:
        return sum(2 + size for _, _, size in self._shown(fit))

    def _shown(self, fit: Fit) -> list[tuple[Column, list[tuple[str, bool]], int]]:
        """Shown columns with their cells and widths: those of a score are at least as wide as its title."""
        shown = []
        for score, group in groupby(self._columns, key=lambda column: column.score):
            if score < fit.scores:
                columns = [column for column in group if fit.floors or not column.floor]
                sizes = [column.width(score < fit.deviations) for column in columns]
                sizes[0] += max(0, len(self._titles[score]) - sum(sizes) - 2 * (len(sizes) - 1))
                shown += [
                    (c, c.cells(score < fit.deviations), s) for c, s in zip(columns, sizes, strict=True)
                ]
        return shown

    def _text(self, fit: Fit, console: Console, width: int) -> Iterator[tuple[str, str]]:
        """Pieces of text with their styles."""
        shown, label = self._shown(fit), fit.label
        over = " " * label
        for score, group in groupby(shown, key=lambda each: each[0].score):
            over += "  " + self._titles[score].center(sum(2 + each[2] for each in group) - 2)
        under = " " * label + "".join(f"  {column.heading:>{size}}" for column, _, size in shown)
        grids = groupby(enumerate(self._lines), key=lambda each: each[1][0])
        for title, lines in grids:
            yield from ((f"{part}\n", "bold") for part in _wrapped(console, title, width))
            yield "".join(f"{heading.rstrip()}\n" for heading in (over, under) if heading.strip()), "quiet"
            for line, _ in lines:
                first, *others = _wrapped(console, self._losses[line], label)
                plain = set_cell_size(first, label)
                for _, cells, size in shown:
                    text, best = cells[line]
                    plain += " " * (2 + size - len(text))
                    if best:
                        yield plain[:-1], ""
                        yield f"*{text}", "best"
                        plain = ""
                    else:
                        plain += text
                yield f"{plain.rstrip()}\n", ""
                for part in others:
                    yield f"{part}\n", ""
            yield "\n", ""

    def _notes(self, fit: Fit) -> Iterator[str]:
        first = self._tables[0]
        over = f"mean±standard deviation (n-1) over {first.seeds} seeds" if first.seeds > 1 else "one seed"
        if criterion := criterion_of(first.calibrator):
            fitted = f"T chosen by validation {known_metrics()[criterion].title}, mean"
        else:
            spec = CALIBRATORS[first.calibrator].spec
            fitted = f"{spec.symbol}: {spec.title}"
        others = [each.metric.title for each in self._tables if each.metric.unit == "none"]
        plain = f", {', '.join(others)}: as it is" if others else ""
        yield f"Percent (NLL: 100 x nats{plain}), {over}; {fitted}."
        if any(table.has_floors for table in self._tables):
            yield captions.ON_FLOORS
        yield from dict.fromkeys(
            sentence for table in self._tables for sentence in captions.warning_sentences(table.rows)
        )
        if not fit.floors:
            yield from self._floors(fit)
        bold = dict.fromkeys(table.bold for table in self._tables if table.bold)
        yield from (sentence.replace("Bold:", "*:") for sentence in bold)
        titles = self._titles
        needed = self._longest_label() + self._width_of_numbers(Fit(len(titles), len(titles), False))
        if fit.scores < len(titles):
            yield f"Too narrow for {', '.join(titles[fit.scores :])}: all scores need {needed} columns."
        if fit.deviations < fit.scores:
            hidden = ", ".join(titles[fit.deviations : fit.scores])
            yield f"Too narrow for the deviations of {hidden}: they need {needed} columns."
        yield from dict.fromkeys([*self._names, *(note for table in self._tables for note in table.notes)])

    def _floors(self, fit: Fit) -> Iterator[str]:
        """The range of the noise floors, where there is no room for their columns."""
        parts = []
        for table, title in zip(self._tables[: fit.scores], self._titles, strict=False):
            width = len(table.scalings)
            for number, scaling in enumerate(table.scalings):
                cells = [cell for row in table.rows for cell in row.cells[number::width]]
                if shown := floor(table, cells):
                    parts.append(f"{title} {table.heading(scaling)} {shown}")
        if parts:
            yield f"Floors: {', '.join(parts)}."


def _wrapped(console: Console, text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    return [line.plain for line in Text(text).wrap(console, width, overflow="fold")]


def screen(
    trials: pd.DataFrame,
    expected: pd.DataFrame | None = None,
    calibrator: str = "temperature_ece",
    metrics: Sequence[str] = ON_SCREEN,
) -> Screen:
    """Scores, by default error and calibration errors, for `Terminal.print`; arguments as in `tables.build`.

    Raises:
        ConfigurationError: As in `tables.build`.
    """
    return Screen(build(trials, expected, calibrator, metrics))
