"""All scores of one test part, as the screen shows them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from results.scores import CRITERIA, SCORES


def scores_table(scores: Mapping[str, float]) -> Table:
    """A line for each score: before scaling, and after each temperature that there is.

    Args:
        scores: By the store's columns.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", overflow="fold")
    # Labels go on in the next line, numbers stay whole.
    table.add_column("before", justify="right", no_wrap=True)
    # A test part alone has no temperature.
    criteria = {name: by for name, by in CRITERIA.items() if f"temperature_{name}" in scores}
    for criterion, by in criteria.items():
        temperature = scores[f"temperature_{criterion}"]
        table.add_column(f"T = {temperature:.1f}\nby {by.title}", justify="right", no_wrap=True)
    for score in SCORES.values():
        columns = [score.column("before", "ece"), *(score.column("after", c) for c in criteria)]
        printed = (score.printed(value) if np.isfinite(value := scores[c]) else "-" for c in columns)
        table.add_row(f"{score.title} ({score.printed_unit})", *printed)
    return table
