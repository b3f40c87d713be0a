"""Losses that cannot be distinguished from the best."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from results.statistics import differences
from results.statistics.differences import over_seeds, over_seeds_and_samples
from results.statistics.resampling import Resamples, means
from results.statistics.ties import compare


def test_all_that_do_not_differ_from_the_best_share_its_mark() -> None:
    """Two of five losses are far from the best by scipy's t test and Bonferroni's first step."""
    random = np.random.default_rng(0)
    scores = random.normal(0, 0.01, (5, 7)) + np.array([0.5, 0.1, 0.1, 0.9, 0.1])[:, None]
    found = compare(scores)
    assert found.best == scores.mean(axis=1).argmin()
    assert [*found.tied] == [False, True, True, False, True] and found.known.all()
    least = stats.ttest_rel(scores[3], scores[found.best]).pvalue
    assert found.p_values[3, found.best] >= least
    assert found.p_values[0, 3] == pytest.approx(found.p_values[3, 0])
    smallest = min(each.p_value for each in found.differences.values())
    assert np.nanmin(found.p_values) == pytest.approx(10 * smallest)
    assert [*compare(-scores, direction="higher").tied] == [*found.tied]
    # With the two worst alone, nothing is equal: the smaller is best.
    assert [*compare(scores[[0, 3]]).tied] == [True, False]


def test_seeds_and_samples_must_both_show_a_difference() -> None:
    """The first pair differs over seeds of one test set, but no other test set would show it."""
    random = np.random.default_rng(1)
    values = np.stack([random.normal(0, 1, 43), random.normal(0.05, 1, 43)])[:, None] + random.normal(
        0, 1e-3, (2, 5, 43)
    )
    scores, resampled = values.mean(axis=-1), means(values, Resamples(43))
    assert compare(scores).p_values[0, 1] < 1e-4
    both = compare(scores, resampled)
    assert both.p_values[0, 1] > 0.05 and both.tied.all()
    one_pair = over_seeds_and_samples(*scores, *resampled)
    assert dataclasses.astuple(both.differences[0, 1]) == pytest.approx(dataclasses.astuple(one_pair))


def test_one_seed_is_compared_over_samples_and_nothing_is_marked_without() -> None:
    random = np.random.default_rng(2)
    values = random.normal(0, 1, (3, 1, 500)) + np.array([0, 0.02, 3.0])[:, None, None]
    scores, resampled = values.mean(axis=-1), means(values, Resamples(500))
    found = compare(scores, resampled)
    assert [*found.tied] == [True, True, False] and found.differences[0, 1].degrees == np.inf
    nothing = compare(scores)
    assert nothing.best == 0 or nothing.best == 1
    assert not nothing.tied.any() and not nothing.known.any() and np.isnan(nothing.p_values).all()


def test_pairs_are_compared_on_the_seeds_that_both_have() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(0, 1, (4, 6))
    scores[0, :2] = scores[1, 4:] = scores[2] = np.nan
    scores[3, 1:] = np.nan
    found = compare(scores)
    assert found.differences[0, 1].seeds == 2
    assert found.differences[0, 1].p_value == pytest.approx(
        stats.ttest_rel(scores[0, 2:4], scores[1, 2:4]).pvalue
    )
    one, other = over_seeds(scores[0, 2:4], scores[1, 2:4]), found.differences[0, 1]
    assert dataclasses.astuple(other) == pytest.approx(dataclasses.astuple(one))
    # The third has no score, the fourth no seed in common with the first, and one with the second.
    assert set(found.differences) == {(0, 1), (1, 3)}
    assert np.isnan(found.p_values[2]).all() and np.isnan(found.p_values[1, 3])
    assert not found.tied[2] and not found.known[2]
    empty = compare(np.full((2, 3), np.nan))
    assert empty.best is None and not empty.tied.any()


def test_all_pairs_at_once_are_one_pair_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """With missing trials, and with one, two or no matched seeds, a few pairs held at a time."""
    monkeypatch.setattr(differences, "ELEMENTS_AT_ONCE", 4 * 6 * 17)
    random = np.random.default_rng(5)
    scores, resampled = random.normal(0, 1, (5, 6)), random.normal(0, 0.3, (5, 6, 17))
    scores[0, :2] = scores[1, 4:] = scores[2, 3:] = scores[3] = scores[4, 1:] = np.nan
    resampled[np.isnan(scores)] = np.nan
    # One pair has no spread at all, not even over samples.
    scores[4, 0], resampled[4, 0] = scores[1, 0], resampled[1, 0]
    found = compare(scores, resampled).differences
    seeds = {(0, 1): 2, (0, 2): 1, (1, 2): 3, (1, 4): 1, (2, 4): 1}
    assert {pair: each.seeds for pair, each in found.items()} == seeds
    for (one, other), each in found.items():
        both = np.isfinite(scores[one]) & np.isfinite(scores[other])
        alone = over_seeds_and_samples(
            scores[one, both], scores[other, both], resampled[one, both], resampled[other, both]
        )
        assert dataclasses.astuple(each) == pytest.approx(dataclasses.astuple(alone), rel=1e-12)
    assert found[1, 4].p_value == 1
    resampled[0, 3, 1] = np.inf
    with pytest.raises(ValueError, match="finite"):
        compare(scores, resampled)


def test_equal_losses_differ_in_at_most_one_row_of_twenty() -> None:
    """Of 300 rows of 4 equal losses, 5% have a false difference: at most 26, else one seed in 400 fails."""
    random = np.random.default_rng(4)
    shape = (300, 4, 5)
    values = (
        random.normal(0, 1, (*shape, 1))
        + random.normal(0, 2, (300, 4, 1, 31))
        + random.normal(0, 1, (*shape, 31))
    )
    scores, resampled = values.mean(axis=-1), means(values, Resamples(31, draws=100))
    rows = [compare(row, drawn) for row, drawn in zip(scores, resampled, strict=True)]
    assert sum(bool(np.nanmin(row.p_values) <= 0.05) for row in rows) <= 26
    # Each is as good as the best, and ruled out as often at most.
    assert sum(not row.tied[0] for row in rows) <= 26


def test_input_without_an_answer_is_refused() -> None:
    for scores, resampled, direction in (
        (np.zeros(3), None, "lower"),
        (np.zeros((2, 3)), np.zeros((2, 4, 9)), "lower"),
        (np.zeros((2, 3)), None, "least"),
    ):
        with pytest.raises(ValueError):
            compare(scores, resampled, direction)
