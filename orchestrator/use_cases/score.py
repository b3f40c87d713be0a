"""`calibsweep score`: prints the scores of anyone's logits, and what to know of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from orchestrator.screen.scores_table import print_scores
from orchestrator.use_cases.scoring import score_files


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
    console.print(f"{', '.join(map(str, files))}, test part", style="bold", highlight=False, soft_wrap=True)
    print_scores(scored.scores, console)
    if scored.notes:
        console.print()
    for note in scored.notes:
        console.print(f"{note.kind}: {note.line}", highlight=False, soft_wrap=True)
