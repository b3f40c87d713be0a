"""Whether a network is hardly better than the answer that needs no network: always the most frequent class.

The calibration of such a network is easy: the frequency of each class is a calibrated prediction. A
comparison of calibration errors alone would call it the best.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

MARGIN = 0.1
"""The part of the errors of the most frequent class that a network must avoid: a tenth."""


def near(correct: ArrayLike, most_frequent: ArrayLike, level: float = 0.95) -> bool:
    """Whether it is not certain that a network avoids a tenth of the errors of the most frequent class.

    A one-sided z test, paired over the samples: the network's error less 0.9 times that of the constant
    answer.

    Args:
        correct: Whether the network's prediction is the true class, [N].
        most_frequent: Whether the true class is the most frequent one of the test set, [N].
        level: Confidence of the test.

    Raises:
        ValueError: Shapes differ, or there are no samples.
    """
    from scipy.special import ndtri

    right, constant = np.asarray(correct, dtype=bool), np.asarray(most_frequent, dtype=bool)
    if right.ndim != 1 or right.shape != constant.shape or not len(right):
        raise ValueError(f"both need one shape [N] with samples, not {right.shape} and {constant.shape}.")
    if len(right) == 1:
        return True
    avoided = (1 - MARGIN) * ~constant - ~right
    spread = avoided.std(ddof=1) / math.sqrt(len(avoided))
    return bool(avoided.mean() <= ndtri(level) * spread)


def few_samples(bins: int, error: float) -> int:
    """The least number of samples at which noise alone cannot be expected to make a calibration error.

    In a bin of n samples that are right with probability p, the number of right ones differs from its mean by
    sqrt(2 n p (1 - p) / pi) on average (normal approximation), at most sqrt(n / (2 pi)). The sum over the
    bins is greatest if all have N / bins samples; the mean ECE of a calibrated network is then
    sqrt(bins / (2 pi N)).

    Args:
        error: The ECE, a fraction.
    """
    return math.ceil(bins / (2 * math.pi * error**2))
