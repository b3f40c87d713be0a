"""Means and standard deviations over seeds, by cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def means_and_deviations(frame: pd.DataFrame, by: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Each group's number of rows, means and standard deviations.

    Args:
        frame: One row per seed of a group.
        by: Columns that identify a group.
        columns: Columns of numbers.

    Returns:
        One row per group, indexed by `by` and sorted: `seeds` (number of rows), and for each column
        `{column}_mean` and `{column}_deviation`, in its unit. The deviation has n - 1 in the denominator and
        is NaN for one seed. Both are NaN if any seed's number is: seeds without a number are not dropped
        silently.
    """
    columns = list(columns)
    groups = frame.groupby(list(by), sort=True)
    seeds = groups.size()
    whole = groups[columns].count().eq(seeds, axis=0)
    means = groups[columns].mean().where(whole).add_suffix("_mean")
    deviations = groups[columns].std(ddof=1).where(whole).add_suffix("_deviation")
    summary = pd.concat([means, deviations], axis=1)
    summary.insert(0, "seeds", seeds)
    return summary
