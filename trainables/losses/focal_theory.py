"""Why the sample-dependent focal loss has the gammas it has."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from trainables.errors import ConfigurationError

LOGARITHMS = (-40.0, 20.0)
"""Between these lies log x, below, for every double in (0, 0.5)."""


def gamma_for_probability(probability: float) -> float:
    """The gamma with which focal loss regularises every sample that is at least this sure of its class.

    With it the gradient of focal loss is as large as that of cross-entropy where the true class has this
    probability, and smaller above. 4.851 at 0.2 and 3.070 at 0.25, to the nearest whole number the 5 and 3 of
    FLSD. Mukhoti et al. 2020, Proposition 2. Right to a relative 1e-9.

    Raises:
        ConfigurationError: A probability outside (0, 0.5); from 0.5 on no positive gamma has the property. Or
            one so small, below 5e-308, that gamma is no double any more.
    """
    if not 0 < probability < 0.5:
        raise ConfigurationError(f"gamma_for_probability takes a probability in (0, 0.5), not {probability}.")
    # The gradients' ratio, (1 - p)^g (1 + g c), is 1 at g = 0 and at one g > 0. There, for x = g c, it says
    # log(1 + x) = x (1 - r). r goes to 0 with x where p goes to 0.5: worked out so that nothing cancels.
    c = -probability * math.log(probability) / (1 - probability)
    x = math.exp(brentq(lambda y: _missing(math.exp(y)) - _r(probability, c), *LOGARITHMS, xtol=1e-14))
    gamma = x / c
    if not math.isfinite(gamma):
        raise ConfigurationError(f"the gamma for a probability of {probability} is too large to be a number.")
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
