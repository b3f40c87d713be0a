"""How many seeds would distinguish two losses at the spread seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

MOST = 10_000
"""Seeds beyond which a difference counts as none."""


@dataclass(frozen=True)
class Power:
    """The power of matched seeds to show a difference.

    Attributes:
        difference: Mean over the seeds, in the unit of the scores.
        deviation: Standard deviation over the seeds (n - 1).
        seeds: Number of seeds seen.
        power: Probability that as many other seeds show a difference of this size.
        detectable: Least difference that as many seeds show with the target probability.
        needed: Least number of seeds that show the difference with the target probability; None above `MOST`.
    """

    difference: float
    deviation: float
    seeds: int
    power: float
    detectable: float
    needed: int | None


def of_pair(first: ArrayLike, second: ArrayLike, target: float = 0.8, level: float = 0.95) -> Power:
    """The power of the paired t test over matched seeds, as if mean and spread were those seen.

    Cohen, 'Statistical Power Analysis for the Behavioral Sciences' (1988), chapter 2, by the noncentral t
    distribution.

    Args:
        first, second: Scores of the same seeds in the same order, [S] with S >= 2.
        target: Power to reach: the probability of showing a difference.
        level: 1 minus the chance of showing a difference that is none. For one of m pairs under Bonferroni,
            1 - 0.05 / m.

    Raises:
        ValueError: Shapes differ, there are fewer than two seeds, or a score is not finite.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 1 or one.shape != other.shape or len(one) < 2:
        raise ValueError(f"scores must have one shape [S] with S >= 2, not {one.shape} and {other.shape}.")
    gaps = one - other
    if not np.isfinite(gaps).all():
        raise ValueError("scores must be finite.")
    mean, deviation, seeds = float(gaps.mean()), float(gaps.std(ddof=1)), len(gaps)
    if deviation == 0:
        needed = 2 if mean else None
        return Power(mean, deviation, seeds, float(mean != 0) or 1 - level, 0.0, needed)
    effect = abs(mean) / deviation
    return Power(
        mean,
        deviation,
        seeds,
        power(effect, seeds, level),
        _least_effect(seeds, target, level) * deviation,
        seeds_needed(effect, target, level),
    )


def power(effect: float, seeds: int, level: float = 0.95) -> float:
    """Probability that a paired t test over this number of seeds shows a difference of `effect` deviations.

    Equals statsmodels' `TTestPower.power` where that is a number: it is NaN for many effects and seeds, since
    scipy's noncentral t is for a negligible tail.
    """
    degrees, shift = seeds - 1, abs(effect) * math.sqrt(seeds)
    critical = special.stdtrit(degrees, (1 + level) / 2)
    right = special.nctdtr(degrees, -shift, -critical)
    return float(right + np.nan_to_num(special.nctdtr(degrees, shift, -critical)))


def seeds_needed(effect: float, target: float = 0.8, level: float = 0.95) -> int | None:
    """Least number of seeds with this power; None above `MOST`.

    By bisection: the power grows with the seeds.
    """
    if not power(effect, MOST, level) >= target:
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, level) >= target else (middle, high)
    return high


def _least_effect(seeds: int, target: float, level: float) -> float:
    # Imported here because it loads slowly.
    from scipy.optimize import brentq

    greatest = 1.0
    while power(greatest, seeds, level) < target:
        greatest *= 2
        if greatest > 1e9:
            return math.inf
    return float(brentq(lambda effect: power(effect, seeds, level) - target, 0.0, greatest))
