"""Networks near chance, against a z test of statsmodels; and the number of samples that is few, by draws."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from results.statistics import chance
from results.statistics.binned import BINNED_ERRORS
from results.statistics.noise_floor import top_label


@pytest.mark.parametrize("accuracy", [0.3, 0.37, 0.4, 0.43, 0.47, 0.6])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_a_network_is_near_chance_unless_it_avoids_a_tenth_of_the_errors(
    accuracy: float, level: float
) -> None:
    generator = np.random.default_rng(7)
    most_frequent = generator.random(431) < 0.37
    correct = generator.random(431) < accuracy
    avoided = 0.9 * (1 - most_frequent) - (1 - correct)
    _, p_value = DescrStatsW(avoided).ztest_mean(0, alternative="larger")
    assert chance.near(correct, most_frequent, level) == (p_value >= 1 - level)


def test_extremes() -> None:
    samples = np.arange(40) % 3 == 0
    assert chance.near(samples, samples) and not chance.near(np.ones(40), samples)
    # Of one class alone, nothing can be better than its name.
    assert chance.near(np.ones(40), np.ones(40)) and chance.near([True], [False])
    with pytest.raises(ValueError, match="shape"):
        chance.near(np.ones(3), np.ones(4))


def test_few_samples_are_those_whose_noise_alone_makes_the_error() -> None:
    # The worst case: confidences of nearly one half, in all bins alike, of edges beside them.
    number = chance.few_samples(15, 0.05)
    confidences = 0.5 + np.linspace(-1e-3, 1e-3, number)
    drawn = top_label(confidences, np.ones(number), {"adaptive_ece": BINNED_ERRORS["adaptive_ece"]}, 400)
    floor = drawn["adaptive_ece"].of_mean()
    assert floor.mean == pytest.approx(0.05, rel=0.03)
