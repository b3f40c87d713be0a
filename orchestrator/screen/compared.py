"""Prints published numbers beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.use_cases.compare import Comparison
from results.comparison import rendering
from results.comparison.verdicts import Counts, Outcome, Row, Verdict

STYLES = {Outcome.AGREES: "", Outcome.DIFFERS: "bad", Outcome.NOT_COMPARABLE: "quiet"}

MORE = "Each number: --each, or --format md, html or csv."


def print_comparison(comparison: Comparison, each: bool, console: Console) -> None:
    """Prints the agreement of each row, and each number on demand.

    Args:
        each: Also print each number of the places with trials of ours.
    """
    for paper, place, rows in rendering.by_place(comparison.rows):
        console.print(rendering.heading(paper, place), style="bold")
        for line in _summary(rows, console):
            console.print(line)
        for note in rendering.notes(rows):
            console.print(note, style="quiet")
        console.print()
        if each:
            for row in rows:
                console.print(_each(row))
                console.print()
    _print_counts(comparison.counts, console)
    if comparison.counts.agree + comparison.counts.differ:
        console.print(rendering.EXPLANATION, style="quiet")
    if not each:
        console.print(MORE, style="quiet")


def _summary(rows: Sequence[Row], console: Console) -> Iterator[RenderableType]:
    """As many columns as fit, and the names of the others."""
    head, lines = rendering.summaries(rows)
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    sums = [*accumulate(2 + width for width in widths)]
    fitting = max(sum(total - 2 <= console.width for total in sums), 2)
    table = _grid(head[:fitting], left=(0,))
    for line in lines:
        table.add_row(*line[:fitting])
    yield table
    if fitting < len(head):
        yield Text(
            f"Too narrow for {', '.join(head[fitting:])}: they need {sums[-1] - 2} columns.", style="quiet"
        )


def _each(row: Row) -> Table:
    """The numbers with trials of ours. The note of their place counts the others."""
    numbers = [number for number in rendering.in_order(row) if number.seeds]
    head, lines = rendering.without_empty_columns(
        [rendering.title(row), *rendering.EACH],
        [[number.loss, *rendering.each(number)[:-1], _outcome(number)] for number in numbers],
    )
    table = _grid(head, left=(0, len(head) - 1))
    for number, line in zip(numbers, lines, strict=True):
        table.add_row(*line, style=STYLES[number.outcome])
    return table


def _outcome(number: Verdict) -> str:
    """The outcome, or why the number is not comparable."""
    return rendering.why(number) if number.reason else rendering.OUTCOMES[number.outcome]


def _grid(head: Sequence[str], left: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="quiet")
    for position, name in enumerate(head):
        if position in left:
            table.add_column(name, overflow="fold", no_wrap=position == 0)
        else:
            table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    return table


def _print_counts(counts: Counts, console: Console) -> None:
    first, rest = rendering.totals(counts)
    console.print(first, style="bold")
    console.print(f"{rest.removesuffix('.')}:")
    for reason, number in counts.reasons.items():
        console.print(f"{number:>7,}  {reason.text}")


def below(share: float, least: float) -> str | None:
    """Why the share of agreeing numbers fails; None if it does not."""
    if math.isnan(share):
        return "no published number is comparable, so none agrees."
    if share < least:
        return f"{100 * share:.1f}% of the comparable numbers agree, fewer than {100 * least:g}%."
    return None
