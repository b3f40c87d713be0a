"""Why the sample-dependent focal loss has the gammas it has."""

from __future__ import annotations

import math

from scipy.special import lambertw

from trainables.errors import ConfigurationError


def gamma_for_probability(probability: float) -> float:
    """The gamma with which focal loss regularises every sample that is at least this sure of its class.

    With it the gradient of focal loss is as large as that of cross-entropy where the true class has this
    probability, and smaller above. 4.851 at 0.2 and 3.070 at 0.25, to the nearest whole number the 5 and 3 of
    FLSD. Mukhoti et al. 2020, Proposition 2.

    Raises:
        ConfigurationError: A probability outside (0, 0.5); from 0.5 on no positive gamma has the property.
    """
    if not 0 < probability < 0.5:
        raise ConfigurationError(f"gamma_for_probability takes a probability in (0, 0.5), not {probability}.")
    # The gradients' ratio, a^g - g b a^(g - 1) with the a and b below, is 1 at g = 0 and at one g > 0.
    a = 1 - probability
    b = probability * math.log(probability)
    argument = -(a ** (1 - a / b)) / b * math.log(a)
    return a / b + float(lambertw(argument, k=-1).real) / math.log(a)
