"""Published numbers beside ours: the range that would agree, and the agreement to expect by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from results.statistics.binned import Floats
from results.statistics.differences import t_quantile, two_sided


@dataclass(frozen=True)
class Judgement:
    """A published number beside our seeds.

    Attributes:
        difference: Published minus our mean.
        low, high: Range of the published numbers that would agree with our seeds: the wider, the less their
            agreement says.
        p_value: Of no difference, two-sided; agreement means at least 1 - level.
        agrees: Whether the published number lies in the interval.
    """

    difference: float
    low: float
    high: float
    p_value: float
    agrees: bool


def single_run(values: ArrayLike, published: float, runs: int = 1, level: float = 0.95) -> Judgement:
    """Judges a published run, or a mean of some, by the prediction interval of our seeds.

    mean +- t s sqrt(1 / n + 1 / runs), for published runs with the spread of ours. Hahn and Meeker,
    'Statistical Intervals' (1991), section 4.7.

    Args:
        values: Our seeds' scores, [n] with n >= 2.
        published: In the same unit.
        runs: How many runs the published number averages.
        level: Confidence.

    Raises:
        ValueError: There are fewer than two seeds, or a number is not finite.
    """
    ours = _checked(values, published)
    if runs < 1:
        raise ValueError(f"a published number is of at least one run, not {runs}.")
    error = float(ours.std(ddof=1) * np.sqrt(1 / len(ours) + 1 / runs))
    return _judged(float(ours.mean()), published, error, len(ours) - 1, level)


def mean_of_runs(
    values: ArrayLike, published: float, deviation: float, runs: int, level: float = 0.95
) -> Judgement:
    """Judges a published mean with its standard deviation by Welch's test.

    Welch, 'The generalization of Student's problem when several different population variances are involved'
    (Biometrika 1947).

    Args:
        values: Our seeds' scores, [n] with n >= 2.
        published: Mean of `runs` runs, in the same unit.
        deviation: Their standard deviation (n - 1).
        runs: At least 2.
        level: Confidence.

    Raises:
        ValueError: There are fewer than two seeds or runs, or a number is not finite.
    """
    ours = _checked(values, published)
    if runs < 2 or not 0 <= deviation < np.inf:
        raise ValueError(f"Welch's test needs the deviation of at least two runs, not {deviation} of {runs}.")
    parts = np.array([ours.var(ddof=1) / len(ours), deviation**2 / runs])
    total = parts.sum()
    squares = float((parts**2 / np.array([len(ours) - 1, runs - 1])).sum())
    degrees = float(total**2 / squares) if squares else np.inf
    return _judged(float(ours.mean()), published, float(np.sqrt(total)), degrees, level)


def _checked(values: ArrayLike, published: float) -> Floats:
    ours = np.asarray(values, dtype=float)
    if ours.ndim != 1 or len(ours) < 2:
        raise ValueError(f"at least two seeds are needed for an interval, not shape {ours.shape}.")
    if not (np.isfinite(ours).all() and np.isfinite(published)):
        raise ValueError("scores and published number must be finite.")
    return ours


def _judged(mean: float, published: float, error: float, degrees: float, level: float) -> Judgement:
    half = error * t_quantile(degrees, (1 + level) / 2)
    difference = published - mean
    return Judgement(
        difference, mean - half, mean + half, two_sided(difference, error, degrees), abs(difference) <= half
    )


@dataclass(frozen=True)
class Agreement:
    """How many published numbers of a row agree, and how many would if dealt to the losses at random.

    Attributes:
        agreeing: Their number.
        losses: Number of losses.
        by_chance: Mean number of agreements over all ways to deal the published numbers.
        p_value: Share of ways with at least as many agreements as observed.
    """

    agreeing: int
    losses: int
    by_chance: float
    p_value: float


def agreement(
    low: ArrayLike, high: ArrayLike, published: ArrayLike, draws: int = 10_000, seed: int = 0
) -> Agreement:
    """Agreement of a row beside that of the same published numbers dealt to other losses.

    If many agree however they are dealt, the intervals are too wide for agreement to mean anything.

    Args:
        low, high: Interval of each loss, [L], from `Judgement`.
        published: Number of each loss, [L].
        draws: Random ways to deal for the p-value; the mean is exact.

    Raises:
        ValueError: Shapes differ, there is no loss, or a number is not finite.
    """
    lower, upper, theirs = (np.asarray(each, dtype=float) for each in (low, high, published))
    if lower.ndim != 1 or not (lower.shape == upper.shape == theirs.shape) or not lower.size:
        raise ValueError(f"low, high and published must have one shape [L], not {lower.shape} and others.")
    if not np.isfinite([lower, upper, theirs]).all():
        raise ValueError("intervals and published numbers must be finite.")
    inside = (lower[:, None] <= theirs) & (theirs <= upper[:, None])
    losses = len(theirs)
    agreeing = int(np.trace(inside))
    generator = np.random.default_rng(seed)
    dealt = generator.permuted(np.tile(np.arange(losses), (draws, 1)), axis=1)
    counts = inside[np.arange(losses), dealt].sum(axis=1)
    p_value = (1 + int((counts >= agreeing).sum())) / (1 + draws)
    return Agreement(agreeing, losses, float(inside.sum() / losses), p_value)
