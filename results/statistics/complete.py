"""Scores by block and loss for paired comparisons, with neither duplicates nor holes.

A paired test on incomplete data answers another question than it seems to: a duplicate counts twice, and a
hole removes a whole block. Both are errors here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

SHOWN = 3
"""Most offenders that a message names; the rest are counted."""


def matched(frame: pd.DataFrame, treatment: str, block: str, score: str) -> pd.DataFrame:
    """Scores with one row per block and one column per treatment.

    Args:
        frame: One row per score, with the three columns.
        treatment: Column of the compared things, such as 'loss'.
        block: Column of the matched units, such as 'seed' or the cell of a benchmark.
        score: Column of numbers.

    Returns:
        Float frame [blocks, treatments], both sorted.

    Raises:
        ValueError: A column or a combination is missing, a combination occurs twice, or a score is not
            finite.
    """
    if absent := [name for name in (treatment, block, score) if name not in frame.columns]:
        raise ValueError(f"there is no column {absent[0]!r}.")
    if frame.empty:
        raise ValueError("there are no scores to compare.")
    twice = frame.duplicated([treatment, block])
    if twice.any():
        again = frame.loc[twice, [treatment, block]].drop_duplicates()
        raise ValueError(f"more than one score of {_named(again, treatment, block)}: keep one.")
    numbers = pd.to_numeric(frame[score], errors="coerce").astype(float)
    unknown = frame[~np.isfinite(numbers)]
    if len(unknown):
        raise ValueError(f"no finite score of {_named(unknown, treatment, block)}.")
    every = pd.MultiIndex.from_product(
        [sorted(frame[treatment].unique()), sorted(frame[block].unique())], names=[treatment, block]
    )
    holes = every.difference(pd.MultiIndex.from_frame(frame[[treatment, block]]))
    if len(holes):
        named = _named(holes.to_frame(index=False), treatment, block)
        raise ValueError(f"no score of {named}: complete it, or leave it out.")
    return frame.assign(**{score: numbers}).pivot_table(index=block, columns=treatment, values=score)


def _named(places: pd.DataFrame, treatment: str, block: str) -> str:
    """'loss brier at seed 3, loss mmce at seed 1 and 4 others'."""
    shown = [
        f"{treatment} {what} at {block} {where}"
        for what, where in zip(places[treatment][:SHOWN], places[block][:SHOWN], strict=True)
    ]
    more = len(places) - len(shown)
    return ", ".join(shown) + (f" and {more} others" if more else "")
