"""Paired differences against scipy, resampling against one resample at a time, and coverage by simulation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from results.statistics import resampling
from results.statistics.binned import ADAPTIVE_ECE, BINNED_ERRORS, ECE
from results.statistics.differences import Difference, over_seeds, over_seeds_and_samples
from results.statistics.multiple import holm
from results.statistics.resampling import Resamples, binned_errors, means
from trainables.metrics import compute

Floats = NDArray[np.float64]


def test_t_interval_over_seeds_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    for seeds in (2, 5, 11):
        first, second = random.normal(0.1, 1, seeds), random.normal(0, 2, seeds)
        theirs = stats.ttest_rel(first, second)
        for level in (0.9, 0.95):
            ours, interval = over_seeds(first, second, level), theirs.confidence_interval(level)
            assert (ours.p_value, ours.low, ours.high) == pytest.approx((theirs.pvalue, *interval), rel=1e-9)
        assert ours.estimate == pytest.approx(first.mean() - second.mean())
    one = over_seeds([0.3], [0.1])
    assert one.estimate == pytest.approx(0.2) and np.isnan([one.low, one.high, one.p_value]).all()
    assert over_seeds([1.0, 2.0], [1.0, 2.0]).p_value == 1 and over_seeds([2.0, 3.0], [1.0, 2.0]).p_value == 0


def test_holm_is_that_of_statsmodels_and_leaves_out_the_unknown() -> None:
    p_values = np.random.default_rng(1).beta(0.3, 2, 37)
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-14)
    with_holes = np.insert(p_values, [0, 5, 37], np.nan)
    assert holm(with_holes)[~np.isnan(with_holes)] == pytest.approx(holm(p_values))
    assert np.isnan(holm(with_holes)[np.isnan(with_holes)]).all()
    assert len(holm([])) == 0


def some_networks(networks: int, samples: int, seed: int) -> tuple[Floats, NDArray[np.bool_], Floats]:
    random = np.random.default_rng(seed)
    confidences = random.uniform(0.51, 1, (networks, samples)).round(3)
    correct = random.random(confidences.shape) < confidences - 0.1
    return confidences, correct, random.exponential(1, confidences.shape)


@pytest.mark.parametrize("name", BINNED_ERRORS)
def test_resampled_scores_are_those_of_the_drawn_samples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    confidences, correct, values = some_networks(4, 53, seed=2)
    monkeypatch.setattr(resampling, "ELEMENTS_AT_ONCE", 53 * 5)
    monkeypatch.setattr(resampling, "ENTRIES_AT_ONCE", 53 * 7 * 3)
    resamples = Resamples(53, draws=13, seed=3)
    error = dataclasses.replace(BINNED_ERRORS[name], bins=7)
    found = binned_errors(confidences.reshape(2, 2, 53), correct.reshape(2, 2, 53), {name: error}, resamples)[
        name
    ]
    assert found.shape == (2, 2, 13)
    places = np.concatenate([part for _, part in resamples.places()])
    for network in range(4):
        mean = means(values, resamples)[network]
        assert mean == pytest.approx(values[network][places].mean(axis=1))
        if name == "adaptive_ece":
            continue  # Its bins are those of all samples; see below.
        chosen, hits = confidences[network][places], correct[network][places].astype(np.int64)
        by_hand = [
            compute(name, torch.tensor(np.stack([1 - c, c], axis=1)), torch.tensor(h), bins=7)
            for c, h in zip(chosen, hits, strict=True)
        ]
        assert found.reshape(4, 13)[network] == pytest.approx(by_hand, abs=1e-12)


def test_fixed_bins_of_equal_mass_hardly_change_the_standard_error() -> None:
    confidences, correct, _ = some_networks(1, 701, seed=4)
    resamples = Resamples(701, draws=400)

    def again(row: NDArray[np.int64]) -> float:
        pairs = np.stack([1 - confidences[0, row], confidences[0, row]], axis=1)
        return compute("adaptive_ece", torch.tensor(pairs), torch.tensor(correct[0, row].astype(np.int64)))

    fixed = binned_errors(confidences, correct, {"": ADAPTIVE_ECE}, resamples)[""][0]
    each = [again(row) for _, places in resamples.places() for row in places]
    assert fixed.std() == pytest.approx(np.std(each), rel=0.15)


def differences(scores: Floats, resampled: Floats) -> list[tuple[Difference, Difference]]:
    """Over seeds and over both, for simulated pairs [sims, 2, S] and [sims, 2, S, draws]."""
    return [
        (over_seeds(*pair), over_seeds_and_samples(*pair, *drawn))
        for pair, drawn in zip(scores, resampled, strict=True)
    ]


def covered(found: list[Difference], truth: float) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in found]))


@pytest.mark.parametrize(
    ("of_seed", "of_sample", "of_both", "seeds"),
    [(0.3, 1, 1, 5), (0.01, 1, 0.1, 5), (1, 0.1, 0.1, 3), (0, 1, 0, 1)],
)
def test_two_levels_cover_the_difference_for_other_seeds_and_samples(
    of_seed: float, of_sample: float, of_both: float, seeds: int
) -> None:
    """A nominal 95% covers in 93 to 97% of 1,000 draws, which would fail for one seed in 270."""
    random = np.random.default_rng(5)
    sizes = ((of_seed, (1000, 2, seeds, 1)), (of_sample, (1000, 2, 1, 71)), (of_both, (1000, 2, seeds, 71)))
    values = sum(random.normal(0, spread, shape) for spread, shape in sizes) + np.zeros((seeds, 71))
    scores, resampled = values.mean(axis=-1), means(values, Resamples(71, draws=150, seed=6))
    if seeds == 1:
        found = [over_seeds_and_samples(*pair, *drawn) for pair, drawn in zip(scores, resampled, strict=True)]
        assert 0.93 <= covered(found, 0.0) <= 0.97
        return
    of_seeds, of_two = zip(*differences(scores, resampled), strict=True)
    assert 0.93 <= covered(list(of_two), 0.0) <= 0.97
    if of_sample > of_seed:
        # The t interval over seeds says nothing about another test set.
        assert covered(list(of_seeds), 0.0) < 0.92


@pytest.mark.slow
@pytest.mark.parametrize(("slopes", "seeds"), [((0.4, 0.8), 1), ((0.6, 0.6), 5), ((0.2, 1.0), 5)])
def test_two_levels_cover_the_difference_of_two_calibration_errors(
    slopes: tuple[float, float], seeds: int
) -> None:
    """A nominal 95% covers in 93 to 97% of 1,000 draws, which would fail for one seed in 270."""
    found, truth = simulated_errors(slopes, seeds)
    assert 0.93 <= covered(found, truth) <= 0.97


@pytest.mark.slow
def test_the_interval_of_calibrated_networks_is_too_wide_rather_than_too_narrow() -> None:
    """There the error is a sum of absolute values of noise, to which resampling adds."""
    found, truth = simulated_errors((1.0, 1.0), 1)
    assert 0.95 <= covered(found, truth) < 1


def simulated_errors(slopes: tuple[float, float], seeds: int) -> tuple[list[Difference], float]:
    """Differences of ECE where accuracy rises with confidence by a slope, and their mean."""
    random = np.random.default_rng(7)
    shape = (1000, 2, seeds, 401)
    confidences = 0.5 + 0.5 * random.beta(6, 2, shape)
    slope = np.array(slopes)[:, None, None] + (
        random.normal(0, 0.05, (1000, 2, seeds, 1)) if seeds > 1 else 0
    )
    correct = random.random(shape) < np.clip(0.5 + (confidences - 0.5) * slope, 0, 1)
    resampled = binned_errors(confidences, correct, {"": ECE}, Resamples(401, draws=150, seed=8))[""]
    gaps, bins = confidences - correct, np.ceil(confidences * 15)
    scores = sum(np.abs((gaps * (bins == number)).sum(axis=-1)) for number in range(1, 16)) / 401
    found = [over_seeds_and_samples(*pair, *drawn) for pair, drawn in zip(scores, resampled, strict=True)]
    return found, float(np.mean([each.estimate for each in found]))


def test_input_without_an_answer_is_refused() -> None:
    for first, second in (([], []), ([1.0], [1.0, 2.0]), ([np.nan, 1.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            over_seeds(first, second)
    with pytest.raises(ValueError):
        over_seeds_and_samples([1.0], [2.0], np.zeros((2, 9)), np.zeros((2, 9)))
    with pytest.raises(ValueError):
        means(np.zeros((3, 5)), Resamples(7))
    with pytest.raises(ValueError):
        means([1.0, np.inf], Resamples(2))
    with pytest.raises(ValueError):
        binned_errors(np.ones((2, 3)), np.ones(3), {"": ECE}, Resamples(3))
    with pytest.raises(ValueError):
        Resamples(0)
