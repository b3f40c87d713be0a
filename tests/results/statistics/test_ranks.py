"""Comparisons over the cells of a benchmark, against Demsar's published example, scipy and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from results.statistics.complete import matched
from results.statistics.ranks import (
    average_ranks,
    cells_needed,
    critical_difference,
    friedman,
    nemenyi,
    wilcoxon_holm,
)

TREES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
DEMSAR = pd.DataFrame(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),
        (0.957, 0.978, 0.946, 0.970),
    ],
    columns=TREES,
)
"""Areas under the ROC curve of four trees on 14 data sets: Demsar 2006, Table 6. The printed ranks of row 13
show that its third value, printed as 0.975, is greater than its fourth."""


def test_demsars_example_gives_his_numbers() -> None:
    """Section 3.2.3: average ranks, chi-square 9.28, F 3.69, critical difference 1.25 at 0.05."""
    ranks = average_ranks(DEMSAR, "higher")
    assert {name: round(rank, 3) for name, rank in ranks.items()} == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.000,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    found = friedman(DEMSAR)
    # He leaves out the correction for ties, which scipy makes.
    squares = 12 * 14 / (4 * 5) * ((ranks**2).sum() - 4 * 5**2 / 4)
    assert squares == pytest.approx(9.28, abs=0.005)
    assert 13 * squares / (14 * 3 - squares) == pytest.approx(3.69, abs=0.005)
    sizes = [size for _, row in DEMSAR.iterrows() for size in row.value_counts()]
    ties = sum(size**3 - size for size in sizes) / (14 * (4**3 - 4))
    assert ties > 0 and found.chi_square == pytest.approx(squares / (1 - ties))
    assert found.f_p_value < found.p_value < 0.05
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.01)
    assert critical_difference(14, 4, level=0.90) == pytest.approx(1.12, abs=0.01)
    # At 0.05 no two differ by 1.25; at 0.10 the best two differ from the last.
    assert nemenyi(DEMSAR, "higher").groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    assert nemenyi(DEMSAR, "higher", level=0.90).groups == (
        ("C4.5+m+cf", "C4.5+m", "C4.5+cf"),
        ("C4.5+cf", "C4.5"),
    )


@pytest.mark.parametrize(
    ("losses", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_critical_values_are_those_of_his_table(losses: int, quantile: float) -> None:
    """Table 5(a)."""
    cells = 11
    unit = np.sqrt(losses * (losses + 1) / (6 * cells))
    assert critical_difference(cells, losses) == pytest.approx(quantile * unit, abs=0.001)


@pytest.mark.parametrize("losses", [2, 3, 5, 13])
def test_with_fewer_cells_than_needed_not_even_the_extreme_ranks_differ(losses: int) -> None:
    needed = cells_needed(losses)
    alike = {
        cells: bool(nemenyi(pd.DataFrame([range(losses)] * cells)).p_values.iloc[0, -1] > 0.05)
        for cells in range(1, 7)
    }
    assert alike == {cells: cells < needed for cells in alike}


def some_scores(cells: int, losses: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (cells, losses)) + np.arange(losses) * 0.6
    return pd.DataFrame(values, columns=[f"loss {number}" for number in range(losses)])


def test_wilcoxon_is_that_of_every_sign_and_holm_is_that_of_statsmodels() -> None:
    scores = some_scores(9, 4, seed=1)
    found = wilcoxon_holm(scores)
    pairs = [*itertools.combinations(found.ranks.index, 2)]
    exact = []
    for one, other in pairs:
        gaps = (scores[one] - scores[other]).to_numpy()
        ranks = stats.rankdata(abs(gaps))
        sums = np.array([ranks @ np.array(signs) for signs in itertools.product((0, 1), repeat=9)])
        away = abs(sums - ranks.sum() / 2)
        exact.append(float((away >= abs(ranks[gaps > 0].sum() - ranks.sum() / 2)).mean()))
    adjusted = multipletests(exact, method="holm")[1]
    assert [found.p_values.loc[pair] for pair in pairs] == pytest.approx([*adjusted])
    assert [*found.p_values.index] == [*average_ranks(scores).index]
    same = scores.assign(**{"loss 1": scores["loss 0"]})
    assert wilcoxon_holm(same).p_values.loc["loss 0", "loss 1"] == 1


@pytest.mark.parametrize("seed", range(6))
def test_bars_join_neighbours_that_are_all_alike_and_no_bar_is_in_another(seed: int) -> None:
    for found in (nemenyi(some_scores(17, 6, seed)), wilcoxon_holm(some_scores(17, 6, seed))):
        names = [*found.ranks.index]
        runs = {
            tuple(names[start:end])
            for start, end in itertools.combinations(range(len(names) + 1), 2)
            if end - start > 1
            and all(found.p_values.loc[pair] > 0.05 for pair in itertools.combinations(names[start:end], 2))
        }
        longest = {run for run in runs if not any(set(run) < set(other) for other in runs)}
        assert set(found.groups) == longest and len(found.groups) == len(longest)
        if found.difference is not None:
            for one, other in itertools.combinations(names, 2):
                apart = abs(found.ranks[one] - found.ranks[other]) > found.difference
                assert apart == (found.p_values.loc[one, other] < 0.05)


@pytest.mark.parametrize("decimals", [0, 9])
def test_f_is_that_of_an_analysis_of_variance_of_ranks(decimals: int) -> None:
    """Iman and Davenport 1980, with ties and without."""
    scores = some_scores(11, 5, seed=3).round(decimals)
    ranks = scores.rank(axis=1).to_numpy()
    between = 11 * ((ranks.mean(axis=0) - 3) ** 2).sum()
    rest = ((ranks - 3) ** 2).sum() - between
    f = (between / 4) / (rest / 40)
    found = friedman(scores)
    assert (found.f, found.f_p_value) == pytest.approx((f, stats.f.sf(f, 4, 40)))


def test_losses_that_never_differ_and_losses_that_always_do() -> None:
    equal = friedman(pd.DataFrame(np.full((5, 3), 0.5)))
    assert (equal.p_value, equal.f_p_value) == (1, 1)
    always = friedman(pd.DataFrame(np.tile([0.1, 0.2, 0.3], (5, 1))))
    assert always.f == np.inf and always.f_p_value == 0 and always.p_value == pytest.approx(np.exp(-5))


def test_scores_with_duplicates_or_holes_are_refused() -> None:
    frame = pd.DataFrame(
        [(loss, cell, position + cell) for position, loss in enumerate("cab") for cell in range(4)],
        columns=["loss", "cell", "score"],
    )
    table = matched(frame, "loss", "cell", "score")
    assert [*table.columns] == ["a", "b", "c"] and table.shape == (4, 3)
    assert table.loc[2, "b"] == 4
    for kind in ("float32", "int64[pyarrow]", "object"):
        again = matched(frame.astype({"score": kind}), "loss", "cell", "score")
        assert (again.to_numpy() == table.to_numpy()).all()
    for faulty, named in (
        (pd.concat([frame, frame.iloc[[5]]]), "loss a at cell 1"),
        (frame.drop(index=[5, 7]), "loss a at cell 1, loss a at cell 3"),
        (frame.drop(index=[4, 5, 6, 7, 0]).assign(cell=lambda f: f["cell"]), "loss c at cell 0"),
        (frame.assign(score=frame["score"].astype(float).replace(0.0, np.nan)), "loss c at cell 0"),
        (frame.assign(score=[*"abcd", *range(8)]), "loss c at cell 0"),
        (frame.assign(score=frame["score"] / frame["score"].ne(3)), "loss c at cell 3"),
        (frame.rename(columns={"cell": "seed"}), "'cell'"),
    ):
        with pytest.raises(ValueError, match=named) as caught:
            matched(faulty, "loss", "cell", "score")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError):
        matched(frame.iloc[:0], "loss", "cell", "score")
    with pytest.raises(ValueError):
        nemenyi(table, "least")
    with pytest.raises(ValueError):
        friedman(table[["a", "b"]])
    with pytest.raises(ValueError):
        wilcoxon_holm(table.where(table > 0))
