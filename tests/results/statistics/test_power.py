"""Numbers of seeds, against statsmodels and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from results.statistics.power import MOST, of_pair, power, seeds_needed


def test_power_is_that_of_statsmodels_where_it_has_a_number() -> None:
    compared = 0
    for effect in (0.0, 0.2, 1.0, 2.3, 9.0):
        for seeds in (2, 3, 5, 31, 400):
            for level in (0.95, 1 - 0.05 / 78):
                ours, theirs = power(effect, seeds, level), TTestPower().power(effect, seeds, 1 - level)
                assert 0 <= ours <= 1
                if not np.isnan(theirs):
                    assert ours == pytest.approx(theirs, abs=1e-9)
                    compared += 1
    assert compared > 25


def test_least_number_of_seeds_has_the_power_and_one_less_has_not() -> None:
    for effect in (0.06, 0.5, 1.1, 2.3, 30.0):
        needed = seeds_needed(effect)
        assert needed is not None and power(effect, needed) >= 0.8
        assert needed == 2 or power(effect, needed - 1) < 0.8
    # Cohen 1988, section 2.4: 34 pairs for a medium effect at 0.05 and a power of 0.80.
    assert seeds_needed(0.5) == 34
    assert seeds_needed(0.0) is None and seeds_needed(0.001) is None
    assert seeds_needed(1e6) == 2 and MOST > 1000


def test_a_pair_is_found_as_often_as_its_power_says() -> None:
    """Of 4,000 t tests, within 3 standard deviations: one seed in 370 would fail."""
    random = np.random.default_rng(0)
    first, second = random.normal(0, 1, 5), random.normal(1.5, 1, 5)
    found = of_pair(first, second)
    gaps = first - second
    assert (found.difference, found.deviation, found.seeds) == pytest.approx(
        (gaps.mean(), gaps.std(ddof=1), 5)
    )
    again = random.normal(found.difference, found.deviation, (4000, 5))
    rejected = (stats.ttest_1samp(again, 0, axis=1).pvalue <= 0.05).mean()
    assert rejected == pytest.approx(found.power, abs=3 * 0.5 / np.sqrt(4000))
    assert power(found.detectable / found.deviation, 5) == pytest.approx(0.8)
    assert found.needed == seeds_needed(abs(found.difference) / found.deviation)


def test_seeds_without_spread_and_input_without_an_answer() -> None:
    assert of_pair([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).needed is None
    assert of_pair([2.0, 3.0], [1.0, 2.0]).needed == 2
    for first, second in (([1.0], [2.0]), ([1.0, 2.0], [1.0]), ([1.0, np.nan], [1.0, 2.0])):
        with pytest.raises(ValueError):
            of_pair(first, second)
