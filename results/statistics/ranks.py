"""Losses compared over the cells of a benchmark: ranks, their tests and the critical-difference diagram.

Demsar, 'Statistical Comparisons of Classifiers over Multiple Data Sets' (JMLR 2006). All functions take
scores from `complete.matched`, with one row per cell (the mean over its seeds) and one column per loss. Cells
must be independent: two networks on one data set are not quite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from results.statistics.multiple import holm

DIRECTIONS = ("lower", "higher")


@dataclass(frozen=True)
class Friedman:
    """Tests of equal losses.

    Attributes:
        chi_square, p_value: Friedman's, with the correction for ties.
        f, f_p_value: Iman and Davenport's, which is less conservative.
        cells, losses: Their numbers.
    """

    chi_square: float
    p_value: float
    f: float
    f_p_value: float
    cells: int
    losses: int


@dataclass(frozen=True)
class CriticalDifference:
    """The data of a critical-difference diagram.

    Attributes:
        ranks: Average rank of each loss, best first.
        groups: Losses joined by a bar: the largest runs of neighbours in `ranks` of which no two differ.
        difference: Nemenyi's critical difference of two average ranks; None for Wilcoxon's test, where each
            pair has its own.
        p_values: Of each pair, adjusted for all pairs, [losses, losses] in the order of `ranks`; 1 on the
            diagonal.
    """

    ranks: pd.Series[float]
    groups: tuple[tuple[str, ...], ...]
    difference: float | None
    p_values: pd.DataFrame


def average_ranks(scores: pd.DataFrame, direction: str = "lower") -> pd.Series[float]:
    """Mean over the cells of each loss's rank, 1 for the best, best first; equal scores share a rank."""
    _check(scores, direction, least=1)
    ranks = scores.rank(axis=1, ascending=direction == "lower").mean()
    return ranks.sort_values(kind="stable")


def friedman(scores: pd.DataFrame) -> Friedman:
    """Whether any of at least three losses differ over at least two cells. Demsar 2006, section 3.2.2.

    Raises:
        ValueError: Scores are too few or not finite.
    """
    from scipy import stats

    _check(scores, "lower", least=2, losses=3)
    cells, losses = scores.shape
    values = scores.to_numpy(dtype=float)
    if (values == values[:, :1]).all():
        return Friedman(0.0, 1.0, 0.0, 1.0, cells, losses)
    chi_square, p_value = stats.friedmanchisquare(*values.T)
    degrees = (losses - 1, (losses - 1) * (cells - 1))
    rest = cells * (losses - 1) - chi_square
    # Every cell has the same order of losses.
    f = (cells - 1) * chi_square / rest if rest > 1e-9 else np.inf
    return Friedman(
        float(chi_square), float(p_value), float(f), float(stats.f.sf(f, *degrees)), cells, losses
    )


def wilcoxon_holm(scores: pd.DataFrame, direction: str = "lower", level: float = 0.95) -> CriticalDifference:
    """Wilcoxon's signed-rank test of each pair of losses over the cells, corrected by Holm's method.

    Wilcoxon, 'Individual Comparisons by Ranking Methods' (1945), exact for up to 50 cells without ties
    (scipy); a pair with equal scores in all cells has p-value 1. Preferred to `nemenyi` by Benavoli, Corani
    and Mangili, 'Should We Really Use Post-Hoc Tests Based on Mean-Ranks?' (JMLR 2016), since a pair's result
    does not depend on the other losses. With n cells no p-value is below 2 ** (1 - n).

    Args:
        level: 1 minus the chance of any false difference.
    """
    from scipy import stats

    ranks = average_ranks(scores, direction)
    pairs = list(combinations(ranks.index, 2))
    raw = [
        float(stats.wilcoxon(scores[one], scores[other]).pvalue)
        if (scores[one] != scores[other]).any()
        else 1.0
        for one, other in pairs
    ]
    return _diagram(ranks, dict(zip(pairs, holm(raw), strict=True)), None, level)


def nemenyi(scores: pd.DataFrame, direction: str = "lower", level: float = 0.95) -> CriticalDifference:
    """Nemenyi's test of each pair of losses by their average ranks. Demsar 2006, section 3.2.2, Table 5."""
    from scipy import stats

    ranks = average_ranks(scores, direction)
    difference = critical_difference(*scores.shape, level)
    cells, losses = scores.shape
    unit = np.sqrt(losses * (losses + 1) / (12 * cells))
    p_values = {
        (one, other): float(stats.studentized_range.sf(abs(ranks[one] - ranks[other]) / unit, losses, np.inf))
        for one, other in combinations(ranks.index, 2)
    }
    return _diagram(ranks, p_values, difference, level)


def critical_difference(cells: int, losses: int, level: float = 0.95) -> float:
    """The difference of two average ranks from which on Nemenyi's test rejects equality."""
    from scipy import stats

    if cells < 1 or losses < 2:
        raise ValueError(f"no two losses to compare: {losses} over {cells} cells.")
    quantile = stats.studentized_range.ppf(level, losses, np.inf)
    return float(quantile * np.sqrt(losses * (losses + 1) / (12 * cells)))


def cells_needed(losses: int, level: float = 0.95) -> int:
    """The least number of cells for which Nemenyi's test can reject any equality.

    With fewer, no two average ranks can differ by the critical difference: the best rank is 1, and the worst
    is the number of losses.
    """
    return math.floor((critical_difference(1, losses, level) / (losses - 1)) ** 2) + 1


def _diagram(
    ranks: pd.Series[float], p_values: dict[tuple[str, str], float], difference: float | None, level: float
) -> CriticalDifference:
    names = list(ranks.index)
    matrix = pd.DataFrame(1.0, index=names, columns=names)
    for (one, other), p_value in p_values.items():
        matrix.loc[one, other] = matrix.loc[other, one] = p_value
    alike = matrix.to_numpy() > 1 - level
    return CriticalDifference(ranks, tuple(tuple(names[a:b]) for a, b in _runs(alike)), difference, matrix)


def _runs(alike: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """The largest ranges (start, end) of two or more neighbours that are all alike."""
    found: list[tuple[int, int]] = []
    for start in range(len(alike)):
        end = start + 1
        while end < len(alike) and alike[start : end + 1, start : end + 1].all():
            end += 1
        if end - start > 1 and (not found or end > found[-1][1]):
            found.append((start, end))
    return found


def _check(scores: pd.DataFrame, direction: str, least: int, losses: int = 2) -> None:
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be 'lower' or 'higher', not {direction!r}.")
    if scores.shape[0] < least or scores.shape[1] < losses:
        raise ValueError(
            f"{scores.shape[1]} losses over {scores.shape[0]} cells are too few: "
            f"{losses} over {least} are needed."
        )
    if scores.columns.has_duplicates or scores.index.has_duplicates:
        raise ValueError("a loss or a cell occurs twice.")
    if not np.isfinite(scores.to_numpy(dtype=float)).all():
        raise ValueError("scores must be finite and complete.")
