"""The losses of a row of which one is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.statistics.binned import Floats
from results.statistics.differences import Difference, over_seeds_and_samples, over_seeds_of_pairs
from results.statistics.multiple import holm


@dataclass(frozen=True)
class Comparison:
    """All pairs of losses of one row.

    Attributes:
        best: Position of the loss with the best mean; None if no loss has a score.
        tied: Which losses may be the best, bool [L]: the truly best one is among them with probability
            `level`. All False if nothing is known about any difference from the best.
        known: Which losses were compared with the best, bool [L]; the best itself, if any other was.
        p_values: Of each pair, adjusted by Holm over the row, symmetric [L, L]; NaN where unknown.
        differences: Of each pair (i, j) with i < j and a common seed.
    """

    best: int | None
    tied: NDArray[np.bool_]
    known: NDArray[np.bool_]
    p_values: Floats
    differences: dict[tuple[int, int], Difference]


def compare(
    scores: ArrayLike, resampled: ArrayLike | None = None, direction: str = "lower", level: float = 0.95
) -> Comparison:
    """Compares all pairs of losses of a row.

    Two losses differ if other seeds and other test samples would both leave a difference: the greater p-value
    of `over_seeds` and `over_seeds_and_samples` counts, so both must reject (an intersection-union test,
    Berger 1982, which needs no correction for being two). With one matched seed, only the samples speak.

    All pairs of the row are corrected together by Holm's method. Which losses may be the best is a narrower
    question, with more power: a loss is ruled out if any of the L - 1 others is better by a one-sided test at
    (1 - level) / (L - 1). Only tests of the truly best loss can rule it out wrongly, whichever looks best
    (Hsu, 'Simultaneous confidence intervals for all distances from the "best"', Annals of Statistics 1981).

    Args:
        scores: Of each loss and seed, [L, S], the same seeds in each row; NaN for a missing trial. A pair is
            compared on the seeds that both have.
        resampled: The scores over the same resamples of the test samples, [L, S, draws], from `resampling`;
            None to compare over seeds alone.
        direction: 'lower' or 'higher', whichever is better.
        level: 1 minus the chance of any false difference in the row.

    Raises:
        ValueError: Shapes differ, or the direction is unknown.
    """
    table = np.asarray(scores, dtype=float)
    drawn = None if resampled is None else np.asarray(resampled, dtype=float)
    if table.ndim != 2 or (drawn is not None and drawn.shape[:-1] != table.shape):
        shape = "none" if drawn is None else drawn.shape
        raise ValueError(f"scores must be [L, S] and resampled [L, S, draws], not {table.shape} and {shape}.")
    if direction not in ("lower", "higher"):
        raise ValueError(f"direction must be 'lower' or 'higher', not {direction!r}.")
    present = np.isfinite(table)
    pairs = list(combinations(range(len(table)), 2))
    differences = over_seeds_of_pairs(table, level)
    p_values = {pair: each.p_value for pair, each in differences.items()}
    if drawn is not None:
        for one, other in differences:
            common = present[one] & present[other]
            both = over_seeds_and_samples(
                table[one, common], table[other, common], drawn[one, common], drawn[other, common], level
            )
            p_values[one, other] = float(np.nanmax([p_values[one, other], both.p_value]))
            differences[one, other] = both
    raw = np.array([p_values.get(pair, np.nan) for pair in pairs])
    adjusted = np.full((len(table), len(table)), np.nan)
    for (one, other), p_value in zip(pairs, holm(raw), strict=True):
        adjusted[one, other] = adjusted[other, one] = p_value
    best = _best(table, present, direction)
    if best is None:
        nothing = np.zeros(len(table), dtype=bool)
        return Comparison(None, nothing, nothing, adjusted, differences)
    known = ~np.isnan(adjusted[best])
    known[best] = known.any()
    # A mark on the best says that it was compared.
    tied = known & (_worse(pairs, raw, differences, len(table), direction) > 1 - level)
    tied[best] = known[best]
    return Comparison(best, tied, known, adjusted, differences)


def _worse(
    pairs: Sequence[tuple[int, int]],
    raw: Floats,
    differences: Mapping[tuple[int, int], Difference],
    losses: int,
    direction: str,
) -> Floats:
    """The p-value of each loss being the best, [L]: the least of its one-sided ones, times their number."""
    least, number = np.ones(losses), np.zeros(losses)
    for (one, other), p_value in zip(pairs, raw, strict=True):
        if np.isnan(p_value):
            continue
        higher = differences[one, other].estimate > 0
        behind = one if higher == (direction == "lower") else other
        least[behind] = min(least[behind], p_value / 2)
        number[[one, other]] += 1
    return least * number


def _best(table: Floats, present: NDArray[np.bool_], direction: str) -> int | None:
    rows = np.flatnonzero(present.any(axis=1))
    if not len(rows):
        return None
    means = np.array([table[row, present[row]].mean() for row in rows])
    return int(rows[means.argmin() if direction == "lower" else means.argmax()])
