"""Prints all scores of one test part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from results.scoring.scores import UNCALIBRATED, Metric, Score, criteria, known_metrics, temperature_by


def print_scores(scores: Mapping[str, float], console: Console) -> None:
    """Prints a line per score: before scaling, and after as many temperatures as fit.

    Args:
        scores: By column name of the store.
    """
    # Without a validation part there is no temperature.
    by = {name: metric for name, metric in criteria().items() if f"temperature_{name}" in scores}
    of_rows = [m for m in known_metrics().values() if m.at_commit and Score("test", m.name).column in scores]
    drawn = [_table(scores, of_rows, [*by.values()][:number]) for number in range(len(by), -1, -1)]
    number = next((n for n, (_, least) in enumerate(drawn) if least <= console.width), len(by))
    console.print(drawn[number][0])
    if number:
        left_out = ", ".join(metric.title for metric in [*by.values()][-number:])
        line = f"Too narrow for temperatures by {left_out}: the full table needs {drawn[0][1]} columns."
        console.print(line, style="quiet", highlight=False)


def _table(scores: Mapping[str, float], of_rows: Sequence[Metric], by: Sequence[Metric]) -> tuple[Table, int]:
    """Also returns its minimum width in terminal cells."""
    # Minimum width of the labels, which wrap between words.
    label = max(len(word) for metric in of_rows for word in metric.title.split())
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", overflow="fold", min_width=label)
    columns = [("before", UNCALIBRATED)]
    for criterion in by:
        head = f"T = {scores[f'temperature_{criterion.name}']:.1f}\nby {criterion.title}"
        columns.append((head, temperature_by(criterion.name)))
    numbers, least = [], label
    for head, calibrator in columns:
        values = [(metric, scores[Score("test", metric.name, calibrator).column]) for metric in of_rows]
        numbers.append([metric.printed(value) if np.isfinite(value) else "-" for metric, value in values])
        # Numbers never wrap.
        width = max(map(len, (*head.split("\n"), *numbers[-1])))
        least += 2 + width
        table.add_column(head, justify="right", no_wrap=True, min_width=width)
    for metric, *row in zip(of_rows, *numbers, strict=True):
        table.add_row(f"{metric.title} ({metric.printed_unit})", *row)
    return table, least
