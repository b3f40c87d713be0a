"""All scores of one test part, as the screen shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from results.scoring.scores import CRITERIA, SCORES

LABEL = max(len(word) for score in SCORES.values() for word in score.title.split())
"""Cells of the labels at least: they go on in the next line, between words."""


def print_scores(scores: Mapping[str, float], console: Console) -> None:
    """A line for each score: before scaling, and after as many temperatures as there are and is room for.

    Args:
        scores: By the store's columns.
    """
    # A test part alone has no temperature.
    criteria = [name for name in CRITERIA if f"temperature_{name}" in scores]
    drawn = [_table(scores, criteria[:number]) for number in range(len(criteria), -1, -1)]
    number = next((n for n, (_, least) in enumerate(drawn) if least <= console.width), len(criteria))
    console.print(drawn[number][0])
    if number:
        left_out = ", ".join(CRITERIA[name].title for name in criteria[-number:])
        told = f"No room for temperatures by {left_out}: all takes {drawn[0][1]} columns."
        console.print(told, style="quiet", highlight=False)


def _table(scores: Mapping[str, float], criteria: Sequence[str]) -> tuple[Table, int]:
    """Also the cells that it takes at least."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", overflow="fold", min_width=LABEL)
    columns = [("before", [score.column("before", "ece") for score in SCORES.values()])]
    for criterion in criteria:
        head = f"T = {scores[f'temperature_{criterion}']:.1f}\nby {CRITERIA[criterion].title}"
        columns.append((head, [score.column("after", criterion) for score in SCORES.values()]))
    numbers, least = [], LABEL
    for head, names in columns:
        values = zip(SCORES.values(), (scores[name] for name in names), strict=True)
        numbers.append([score.printed(value) if np.isfinite(value) else "-" for score, value in values])
        # Numbers stay whole.
        width = max(map(len, (*head.split("\n"), *numbers[-1])))
        least += 2 + width
        table.add_column(head, justify="right", no_wrap=True, min_width=width)
    for score, *row in zip(SCORES.values(), *numbers, strict=True):
        table.add_row(f"{score.title} ({score.printed_unit})", *row)
    return table, least
