"""Published numbers beside ours, against scipy and statsmodels, and by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from results.statistics.published import agreement, mean_of_runs, single_run


def test_prediction_interval_is_that_of_a_regression_on_a_constant() -> None:
    values = np.array([2.1, 1.9, 2.6, 2.4, 1.7])
    predicted = OLS(values, np.ones(5)).fit().get_prediction([1.0]).summary_frame(alpha=0.1)
    found = single_run(values, 3.0, level=0.9)
    expected = predicted[["obs_ci_lower", "obs_ci_upper"]].iloc[0]
    assert [found.low, found.high] == pytest.approx([*expected])
    assert found.difference == pytest.approx(3.0 - values.mean())
    assert single_run(values, found.high - 1e-9, level=0.9).agrees
    beyond = single_run(values, found.high + 1e-9, level=0.9)
    assert not beyond.agrees and beyond.p_value == pytest.approx(0.1)
    # A mean of very many runs is a constant: its test is the t test of one sample.
    constant = single_run(values, 2.6, runs=10**9)
    assert constant.p_value == pytest.approx(stats.ttest_1samp(values, 2.6).pvalue, rel=1e-6)


def test_welch_is_that_of_scipy_and_statsmodels() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.normal(3, 1, 5), random.normal(4, 0.2, 7)
    found = mean_of_runs(ours, theirs.mean(), theirs.std(ddof=1), runs=7)
    assert found.p_value == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
    interval = CompareMeans(DescrStatsW(theirs), DescrStatsW(ours)).tconfint_diff(usevar="unequal")
    assert found.difference + (found.high - found.low) / 2 == pytest.approx(interval[1])
    assert mean_of_runs([1.0, 1.0], 1.0, 0.0, 3).agrees and not mean_of_runs([1.0, 1.0], 1.1, 0.0, 3).agrees


def test_intervals_hold_95_percent_of_the_published_numbers() -> None:
    """Of 1,000 draws 93 to 97%, which would fail for one seed in 130."""
    random = np.random.default_rng(1)
    singles = sum(
        single_run(values[:5], values[5]).agrees for values in random.normal(7, 3, (1000, 6)).tolist()
    )
    assert 930 <= singles <= 970
    ours, theirs = random.normal(7, 3, (1000, 5)), random.normal(7, 2, (1000, 5))
    means = sum(
        mean_of_runs(mine, other.mean(), other.std(ddof=1), 5).agrees
        for mine, other in zip(ours, theirs, strict=True)
    )
    assert 930 <= means <= 970


def test_agreement_by_chance_is_that_of_every_way_to_deal() -> None:
    random = np.random.default_rng(2)
    theirs, centres = random.normal(0, 1, 6), random.normal(0, 1, 6)
    low, high = centres - 0.9, centres + 0.6
    counts = np.array(
        [sum((low <= dealt) & (dealt <= high)) for dealt in map(np.array, itertools.permutations(theirs))]
    )
    found = agreement(low, high, theirs)
    assert found.agreeing == counts[0] and found.losses == 6
    assert found.by_chance == pytest.approx(counts.mean(), abs=1e-12)
    share = (counts >= counts[0]).mean()
    # Five standard errors of 10,000 draws.
    assert found.p_value == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 10_000) + 1e-3)
    wide = agreement(np.full(4, -9), np.full(4, 9), theirs[:4])
    assert (wide.agreeing, wide.by_chance, wide.p_value) == (4, 4, 1)


def test_input_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError):
        single_run([1.0], 2.0)
    with pytest.raises(ValueError):
        single_run([1.0, np.nan], 2.0)
    with pytest.raises(ValueError):
        single_run([1.0, 2.0], 2.0, runs=0)
    with pytest.raises(ValueError):
        mean_of_runs([1.0, 2.0], 2.0, 0.1, runs=1)
    with pytest.raises(ValueError):
        mean_of_runs([1.0, 2.0], 2.0, np.nan, runs=5)
    with pytest.raises(ValueError):
        agreement([0.0], [1.0, 2.0], [1.0])
    with pytest.raises(ValueError):
        agreement([0.0], [np.inf], [1.0])
