"""`calibsweep score`: prints the scores of anyone's logits, and what to know of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from orchestrator.scoring import Scored, score_files
from results.scores import CRITERIA, SCORES


def show(
    files: Sequence[Path],
    names: Sequence[str],
    probabilities: bool,
    flatten: bool,
    ignore: int | None,
    as_json: bool,
    console: Console,
) -> None:
    """Prints all scores of the test part, before scaling and after each temperature, and notes below them.

    Raises:
        DataError, InputError, ConfigurationError: As `score_files`.
    """
    scored = score_files(files, names=names, probabilities=probabilities, flatten=flatten, ignore=ignore)
    if as_json:
        # JSON has no NaN. Adding 0 makes 0 of -0.
        finite = {name: value + 0.0 if np.isfinite(value) else None for name, value in scored.scores.items()}
        warnings = [asdict(note) for note in scored.notes]
        sys.stdout.write(json.dumps({**finite, "warnings": warnings}, indent=2) + "\n")
        return
    console.print(_table(scored, f"{', '.join(map(str, files))}, test part"))
    if scored.notes:
        console.print()
    for note in scored.notes:
        console.print(f"{note.kind}: {note.line}", highlight=False, soft_wrap=True)


def _table(scored: Scored, title: str) -> Table:
    scores = scored.scores
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
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
