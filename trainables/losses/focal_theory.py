"""Derivation of the gammas of the sample-dependent focal loss."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from trainables.errors import ConfigurationError

LOGARITHMS = (-40.0, 20.0)
"""Bounds of log x, below, for every double in (0, 0.5)."""


def gamma_for_probability(probability: float) -> float:
    """The gamma with which focal loss regularises all samples with at least this true-class probability.

    For this gamma, the gradients of focal loss and cross-entropy have equal norms at `probability`, and that
    of focal loss is smaller above. The result is 4.851 for 0.2 and 3.070 for 0.25; rounded, these are the 5
    and 3 of FLSD. Mukhoti et al. 2020, Proposition 2. The relative error is below 1e-9.

    Raises:
        ConfigurationError: The probability is outside (0, 0.5): from 0.5 on no positive gamma has the
            property. Or it is below 5e-308, and gamma overflows a double.
    """
    if not 0 < probability < 0.5:
        raise ConfigurationError(f"gamma_for_probability takes a probability in (0, 0.5), not {probability}.")
    # The ratio of the gradients, (1 - p)^g (1 + g c), is 1 at g = 0 and at one g > 0. There, with x = g c,
    # log(1 + x) = x (1 - r). As p approaches 0.5, r and x approach 0, so both sides avoid cancellation.
    c = -probability * math.log(probability) / (1 - probability)
    x = math.exp(brentq(lambda y: _missing(math.exp(y)) - _r(probability, c), *LOGARITHMS, xtol=1e-14))
    gamma = x / c
    if not math.isfinite(gamma):
        raise ConfigurationError(f"the gamma for a probability of {probability} overflows.")
    return gamma


def _r(probability: float, c: float) -> float:
    """1 - log(1 / (1 - p)) / c, without cancellation."""
    if probability < 0.25:
        return 1 + math.log1p(-probability) / c
    d = 0.5 - probability
    difference = math.atanh(2 * d) - 2 * d * math.log(2) + d * math.log1p(-4 * d * d)
    return difference / (1 - probability) / c


def _missing(x: float) -> float:
    """1 - log(1 + x) / x, without cancellation."""
    if x > 0.1:
        return 1 - math.log1p(x) / x
    return math.fsum(-((-x) ** power) / (power + 1) for power in range(1, 18))
