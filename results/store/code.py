"""Decides whether trials were made by the same code, from records in their rows.

A row has, for its data set, model, loss and the training code, a digest of the files (`code_*`) and a few
numbers that identify the computation (`numbers_*`, JSON). If digests differ, the numbers decide: a comment
changes none of them. Older rows have only the digest of the component's own file (`source_*`).
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("dataset", "model", "loss", "training")

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""Tolerances between numbers of the same code: they use float32 arithmetic, whose rounding depends on the
processor and the version of torch. Changes that affect a table exceed these."""

DIGITS = 8


def as_text(numbers: Sequence[float]) -> str:
    return json.dumps([float(f"{number:.{DIGITS}g}") for number in numbers])


@functools.cache
def agree(one: str, other: str) -> bool:
    """Whether two lists of numbers, written by `as_text`, are equal up to rounding."""
    first, second = json.loads(one), json.loads(other)
    return len(first) == len(second) and all(
        math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(first, second, strict=True)
    )


def same(kind: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Whether code of one kind computes the same for two rows; None if unknown.

    Also covers rows with different versions of torch.
    """

    def both(column: str) -> tuple[str, str] | None:
        first, second = one.get(column), other.get(column)
        # A missing column is None or NaN in a row.
        recorded = isinstance(first, str) and isinstance(second, str) and first and second
        return (str(first), str(second)) if recorded else None

    data = both("dataset_fingerprint") if kind == "dataset" else None
    if data and data[0] != data[1]:
        return False
    digests = both(f"code_{kind}") or both(f"source_{kind}")
    versions = both("version_torch")
    same_text = digests is None or digests[0] == digests[1]
    same_torch = versions is None or versions[0] == versions[1]
    if same_text and same_torch:
        return None if digests is None else True
    numbers = both(f"numbers_{kind}")
    if numbers:
        return agree(*numbers)
    if same_text:
        # Unknown: another torch may compute other numbers.
        return None
    # The data is the same, though augmentations may differ.
    return data is not None


def mixed(trials: pd.DataFrame, expected: pd.DataFrame | None = None) -> dict[tuple[Any, ...], list[str]]:
    """The cells whose trials were made by code that computes different numbers, with the kinds of code.

    Args:
        trials, expected: As in `statistics.summarise`.

    Returns:
        By (data set, model, loss, variant).
    """
    # It loads pandas, which callers with a data frame have already loaded.
    from results.tables.statistics import CELL, with_current_names

    recorded = [f"{what}_{kind}" for kind in KINDS for what in ("code", "source", "numbers")]
    recorded += ["version_torch", "dataset_fingerprint"]
    columns = [name for name in recorded if name in trials.columns]
    if not columns:
        return {}
    trials = with_current_names(trials, expected)
    rows = zip(
        *([text if isinstance(text, str) else None for text in trials[name].tolist()] for name in columns),
        strict=True,
    )
    cells: dict[tuple[Any, ...], dict[tuple[str | None, ...], None]] = defaultdict(dict)
    for cell, row in zip(zip(*(trials[name].tolist() for name in CELL), strict=True), rows, strict=True):
        cells[cell][row] = None
    found = {}
    for cell, different in cells.items():
        pairs = list(itertools.combinations([dict(zip(columns, row, strict=True)) for row in different], 2))
        changed = [kind for kind in KINDS if any(same(kind, *pair) is False for pair in pairs)]
        if changed:
            found[cell] = changed
    return dict(sorted(found.items()))
