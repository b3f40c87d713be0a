"""The difference of two losses: over matched seeds, and over seeds and test samples.

Two losses with the same seed share initialisation and order of the batches, and all networks share the test
set, so all differences here are paired. They are first minus second, in the unit of the scores.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.statistics.binned import Floats, Ints

# Loading scipy takes longer than printing a table: the functions that compute load it.

ELEMENTS_AT_ONCE = 2**21
"""Resampled differences held at a time."""


@dataclass(frozen=True)
class Difference:
    """A mean difference with its uncertainty.

    Attributes:
        estimate: Mean over the seeds.
        standard_error: Of the estimate; NaN if unknown.
        degrees: Degrees of freedom of Student's t; infinite for a normal distribution.
        low, high: Confidence interval.
        p_value: Of no difference, two-sided.
        seeds: Number of matched seeds.
    """

    estimate: float
    standard_error: float
    degrees: float
    low: float
    high: float
    p_value: float
    seeds: int


def over_seeds(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Difference:
    """The paired t interval and test over matched seeds.

    It holds for other seeds and the same test set.

    Args:
        first, second: Scores of the same seeds in the same order, [S].
        level: Confidence.

    Raises:
        ValueError: The shapes differ, there is no seed, or a score is not finite. With one seed, all but the
            estimate is NaN.
    """
    gaps = _gaps(first, second)
    variance = gaps.var(ddof=1) / len(gaps) if len(gaps) > 1 else np.nan
    return _difference(gaps.mean(), variance, len(gaps) - 1, len(gaps), level)


@dataclass(frozen=True)
class Pairs:
    """The differences of all pairs of L losses, on the seeds that both have; arrays [L (L - 1) / 2].

    Attributes:
        first, second: Positions of the losses, the smaller first.
        estimates, errors, degrees, p_values: As in `Difference`; NaN where unknown.
        seeds: Number of matched seeds, from 0.
    """

    first: Ints
    second: Ints
    estimates: Floats
    errors: Floats
    degrees: Floats
    p_values: Floats
    seeds: Ints

    @classmethod
    def over_seeds(cls, scores: ArrayLike) -> Pairs:
        """`over_seeds` for all pairs.

        Args:
            scores: [L, S]; NaN for a missing trial.
        """
        return cls.of_each_over_seeds(np.asarray(scores, dtype=float)[None])[0]

    @classmethod
    def of_each_over_seeds(cls, tables: ArrayLike) -> list[Pairs]:
        """`over_seeds` of M tables at once, [M, L, S]: the small ones of a store are thousands."""
        first, second, gaps, there = _all_gaps(np.asarray(tables, dtype=float))
        seeds, estimates, between = _over_seeds(gaps, there)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.sqrt(between)
            p_values = _two_sided(-np.abs(estimates) / errors, degrees := seeds.astype(float) - 1)
        p_values[errors == 0] = estimates[errors == 0] == 0
        of_each = zip(estimates, errors, degrees, p_values, seeds, strict=True)
        return [cls(first, second, *found) for found in of_each]

    @classmethod
    def over_seeds_and_samples(cls, scores: ArrayLike, resampled: ArrayLike) -> Pairs:
        """`over_seeds_and_samples` for all pairs.

        Args:
            scores: [L, S]; NaN for a missing trial.
            resampled: These scores over the same resamples of the test samples, [L, S, draws].

        Raises:
            ValueError: Shapes differ, or a resampled score of a trial that is there is not finite.
        """
        table, drawn = np.asarray(scores, dtype=float), np.asarray(resampled, dtype=float)
        if table.ndim != 2 or drawn.shape[:-1] != table.shape:
            raise ValueError(
                f"scores must be [L, S] and resampled [L, S, draws], not {table.shape} and {drawn.shape}."
            )
        if not np.isfinite(drawn[np.isfinite(table)]).all():
            raise ValueError("resampled scores must be finite.")
        first, second, gaps, there = _all_gaps(table)
        seeds, estimates, between = _over_seeds(gaps, there)
        of_mean, of_each = np.full(len(first), np.nan), np.full(len(first), np.nan)
        at_once = max(1, ELEMENTS_AT_ONCE // max(1, table.shape[1] * drawn.shape[-1]))
        for start in range(0, len(first), at_once):
            part = slice(start, start + at_once)
            found = np.where(there[part, :, None], drawn[first[part]] - drawn[second[part]], 0)
            number = np.maximum(seeds[part], 1)
            of_each[part] = found.var(axis=-1, ddof=1).sum(axis=1) / number
            of_mean[part] = (found.sum(axis=1) / number[:, None]).var(axis=-1, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = between + np.maximum((seeds * of_mean - of_each) / (seeds - 1), 0)
            degrees = np.where(between > 0, (seeds - 1) * (total / between) ** 2, np.inf)
            one = seeds == 1
            total[one], degrees[one] = of_each[one], np.inf
            errors = np.sqrt(total)
            p_values = _two_sided(-np.abs(estimates) / errors, degrees)
        p_values[errors == 0] = estimates[errors == 0] == 0
        for unknown in (errors, degrees, p_values):
            unknown[seeds == 0] = np.nan
        return cls(first, second, estimates, errors, degrees, p_values, seeds)

    def differences(self, level: float = 0.95) -> dict[tuple[int, int], Difference]:
        """By position of both losses, without pairs that have no seed in common."""
        from scipy import special

        above, infinite = (1 + level) / 2, np.isinf(self.degrees)
        quantiles = special.stdtrit(np.where(infinite | ~(self.degrees > 0), 1, self.degrees), above)
        halves = self.errors * np.where(infinite, special.ndtri(above), quantiles)
        lows, highs = self.estimates - halves, self.estimates + halves
        columns = (self.estimates, self.errors, self.degrees, lows, highs, self.p_values, self.seeds)
        lines = zip(*(column.tolist() for column in columns), strict=True)
        pairs = zip(self.first.tolist(), self.second.tolist(), strict=True)
        return {pair: Difference(*line) for pair, line in zip(pairs, lines, strict=True) if line[-1]}


def _two_sided(below: Floats, degrees: Floats) -> Floats:
    """`two_sided` of statistics that are at most 0, for many at once."""
    from scipy import special

    normal, student = special.ndtr(below), special.stdtr(degrees, below)
    return np.asarray(2 * np.where(np.isinf(degrees), normal, student), dtype=float)


@functools.cache
def positions_of_pairs(losses: int) -> tuple[Ints, Ints]:
    """Positions of both losses of each pair, the smaller first: read-only, since they are shared."""
    first, second = np.triu_indices(losses, 1)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def _all_gaps(table: Floats) -> tuple[Ints, Ints, Floats, NDArray[np.bool_]]:
    """Of scores [..., L, S] each pair's losses [P], differences [..., P, S], 0 without both, and where both
    are.
    """
    first, second = positions_of_pairs(table.shape[-2])
    # Infinite less infinite is no difference.
    with np.errstate(invalid="ignore"):
        gaps = table[..., first, :] - table[..., second, :]
    there = np.isfinite(gaps)
    return first, second, np.where(there, gaps, 0), there


def _over_seeds(gaps: Floats, there: NDArray[np.bool_]) -> tuple[Ints, Floats, Floats]:
    """Number of matched seeds, mean and its variance over seeds, NaN below two; each [..., P]."""
    seeds = there.sum(axis=-1)
    estimates = gaps.sum(axis=-1) / np.maximum(seeds, 1)
    squares = np.where(there, gaps - estimates[..., None], 0) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        between = squares.sum(axis=-1) / (seeds - 1) / seeds
    between[seeds < 2] = np.nan
    return seeds, estimates, between


def over_seeds_and_samples(
    first: ArrayLike,
    second: ArrayLike,
    first_resampled: ArrayLike,
    second_resampled: ArrayLike,
    level: float = 0.95,
) -> Difference:
    """The paired two-level bootstrap: for other seeds and another test set of the same size.

    The variance over test samples is that of the resamples. The variance over seeds needs no resampling: for
    a mean it is known, and drawing from few seeds gives (S - 1) / S of it, hence intervals that are too
    narrow. Seeds and samples are crossed, as all networks share the test set, so the variance of the mean
    difference is

        s^2 / S + (S V_mean - V_each) / (S - 1)

    with s^2 the variance of the difference over seeds, V_mean the variance over resamples of the mean
    difference, and V_each that of one seed's difference, averaged. The second term is the part of the
    sampling variance that the seeds share; the rest is already in s^2. This is the estimate for a random
    effect of each in a crossed design (Searle, Casella and McCulloch, 'Variance Components' 1992, chapter 4),
    the degrees of freedom are Satterthwaite's (Biometrics 1946). With one seed the variance is V_each alone,
    so the interval holds for these two networks, and for other test samples.

    If each network had its own test samples, the second term would be 0, which leaves `over_seeds`.

    Args:
        first, second: Scores of the same seeds in the same order, [S].
        first_resampled, second_resampled: These scores over the same resamples of the test samples,
            [S, draws], from `resampling`.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    gaps = _gaps(first, second)
    one, other = np.asarray(first_resampled, dtype=float), np.asarray(second_resampled, dtype=float)
    if one.shape != other.shape or one.ndim != 2 or len(one) != len(gaps):
        raise ValueError(
            f"resampled scores must have shape [{len(gaps)}, draws], not {one.shape} and {other.shape}."
        )
    resampled = one - other
    if not np.isfinite(resampled).all():
        raise ValueError("resampled scores must be finite.")
    seeds = len(gaps)
    of_each = float(resampled.var(axis=1, ddof=1).mean())
    if seeds == 1:
        return _difference(gaps.mean(), of_each, np.inf, 1, level)
    of_mean = float(resampled.mean(axis=0).var(ddof=1))
    between = float(gaps.var(ddof=1)) / seeds
    shared = max(0.0, (seeds * of_mean - of_each) / (seeds - 1))
    total = between + shared
    degrees = (seeds - 1) * (total / between) ** 2 if between > 0 else np.inf
    return _difference(gaps.mean(), total, degrees, seeds, level)


def _gaps(first: ArrayLike, second: ArrayLike) -> Floats:
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise ValueError(f"scores must have one shape [S], not {one.shape} and {other.shape}.")
    gaps: Floats = one - other
    if not np.isfinite(gaps).all():
        raise ValueError("scores must be finite.")
    return gaps


def _difference(estimate: float, variance: float, degrees: float, seeds: int, level: float) -> Difference:
    error = float(np.sqrt(variance))
    if np.isnan(error):
        return Difference(float(estimate), error, degrees, error, error, error, seeds)
    half = error * t_quantile(degrees, (1 + level) / 2)
    return Difference(
        float(estimate),
        error,
        float(degrees),
        float(estimate - half),
        float(estimate + half),
        two_sided(float(estimate), error, degrees),
        seeds,
    )


def t_quantile(degrees: float, probability: float) -> float:
    """Quantile of Student's t; of a normal distribution for infinite degrees."""
    from scipy import special

    if np.isinf(degrees):
        return float(special.ndtri(probability))
    return float(special.stdtrit(degrees, probability))


def two_sided(estimate: float, error: float, degrees: float) -> float:
    """Two-sided p-value of an estimate with its standard error, by Student's t or a normal distribution."""
    from scipy import special

    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    below = -abs(estimate) / error
    return float(2 * (special.ndtr(below) if np.isinf(degrees) else special.stdtr(degrees, below)))
