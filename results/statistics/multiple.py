"""Correction for many comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted by Holm's step-down method: the chance of any false rejection stays below the level.

    Holm, 'A simple sequentially rejective multiple test procedure' (Scandinavian Journal of Statistics 1979).
    As in statsmodels' `multipletests`, which takes longer to load than a table to print.

    Args:
        p_values: [m]; NaN for comparisons that could not be made, which do not count.

    Returns:
        Adjusted p-values [m], at most 1; NaN where given.
    """
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * steps), 1.0)
    return adjusted
