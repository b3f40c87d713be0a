"""The losses of a row of which one is the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.statistics.binned import Floats
from results.statistics.differences import Difference, Pairs
from results.statistics.multiple import holm


@dataclass(frozen=True)
class Comparison:
    """All pairs of losses of one row.

    Attributes:
        best: Position of the loss with the best mean; None if no loss has a score.
        tied: Which losses may be the best, bool [L]: the truly best one is among them with probability
            `level`. All False if nothing is known about any difference from the best.
        known: Which losses were compared with the best, bool [L]; the best itself, if any other was.
    """

    best: int | None
    tied: NDArray[np.bool_]
    known: NDArray[np.bool_]
    _tests: Tests
    _level: float

    @property
    def p_values(self) -> Floats:
        """Of each pair, adjusted by Holm over the row, symmetric [L, L]; NaN where unknown."""
        pairs, losses = self._tests.pairs, len(self.known)
        adjusted = np.full((losses, losses), np.nan)
        adjusted[pairs.first, pairs.second] = adjusted[pairs.second, pairs.first] = holm(self._tests.p_values)
        return adjusted

    @property
    def differences(self) -> dict[tuple[int, int], Difference]:
        """Of each pair (i, j) with i < j and a common seed."""
        return self._tests.pairs.differences(self._level)


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
    return concluded(scores, tested(scores, resampled), direction, level)


@dataclass(frozen=True)
class Tests:
    """The tests of all pairs of losses of a row.

    Attributes:
        pairs: Their differences, over seeds and samples if resampled scores were given.
        p_values: The p-value of each pair that counts, before correction; NaN where unknown.
    """

    pairs: Pairs
    p_values: Floats


def tested(scores: ArrayLike, resampled: ArrayLike | None = None) -> Tests:
    """The tests of `compare`, with its arguments, without a conclusion.

    Raises:
        ValueError: Shapes differ.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2:
        raise ValueError(f"scores must be [L, S], not {table.shape}.")
    pairs = Pairs.over_seeds(table)
    if resampled is None:
        return Tests(pairs, pairs.p_values)
    both = Pairs.over_seeds_and_samples(table, resampled)
    return Tests(both, np.fmax(pairs.p_values, both.p_values))


def each_tested(tables: ArrayLike) -> list[Tests]:
    """`tested` of M tables over seeds alone, [M, L, S]."""
    return [Tests(pairs, pairs.p_values) for pairs in Pairs.of_each_over_seeds(tables)]


def concluded(scores: ArrayLike, tests: Tests, direction: str = "lower", level: float = 0.95) -> Comparison:
    """The conclusion of `compare` from the tests of all pairs.

    Raises:
        ValueError: The direction is unknown.
    """
    if direction not in ("lower", "higher"):
        raise ValueError(f"direction must be 'lower' or 'higher', not {direction!r}.")
    table = np.asarray(scores, dtype=float)
    present, pairs, raw = np.isfinite(table), tests.pairs, tests.p_values
    best = _best(table, present, direction)
    known = np.zeros(len(table), dtype=bool)
    tied = known.copy()
    if best is not None:
        compared = ~np.isnan(raw)
        known[pairs.second[compared & (pairs.first == best)]] = True
        known[pairs.first[compared & (pairs.second == best)]] = True
        known[best] = known.any()
        tied = known & (_being_best(pairs, raw, len(table), direction) > 1 - level)
        # A mark on the best says that it was compared.
        tied[best] = known[best]
    return Comparison(best, tied, known, tests, level)


def _being_best(pairs: Pairs, raw: Floats, losses: int, direction: str) -> Floats:
    """The p-value of each loss being the best, [L]: the least of its one-sided ones, times their number."""
    compared = ~np.isnan(raw)
    behind = np.where((pairs.estimates > 0) == (direction == "lower"), pairs.first, pairs.second)
    least = np.ones(losses)
    np.minimum.at(least, behind[compared], raw[compared] / 2)
    number = sum(np.bincount(side[compared], minlength=losses) for side in (pairs.first, pairs.second))
    return least * number


def _best(table: Floats, present: NDArray[np.bool_], direction: str) -> int | None:
    seeds = present.sum(axis=1)
    if not seeds.any():
        return None
    means = np.where(present, table, 0).sum(axis=1) / np.maximum(seeds, 1)
    worst = np.inf if direction == "lower" else -np.inf
    means[seeds == 0] = worst
    return int(means.argmin() if direction == "lower" else means.argmax())
