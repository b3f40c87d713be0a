"""The statements that issue 21 makes of the 65 recorded trials of SST, from their logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from results.statistics.binned import BINNED_ERRORS, ECE
from results.statistics.complete import matched
from results.statistics.differences import over_seeds, over_seeds_and_samples
from results.statistics.noise_floor import top_label
from results.statistics.published import agreement, single_run
from results.statistics.resampling import Resamples, binned_errors
from results.statistics.ties import compare
from results.store.address import Address
from results.store.store import Store
from results.tables import names
from results.tables.published import published

LOSSES, SEEDS = 13, 5


class Recorded:
    """Scores [13, 5], and confidences and correctness [65, N], before and after scaling."""

    def __init__(self, store: Store):
        rows = store.trials().sort_values(["loss", "seed"], ignore_index=True)
        self.rows, self.losses = rows, [*dict.fromkeys(rows["loss"])]
        tables = [
            store.predictions(Address(row.dataset, row.model, row.loss, row.key)).to_pandas()
            for row in rows.itertuples()
        ]
        tests = [table[table["split"] == "test"].sort_values("sample_id") for table in tables]
        logits = np.stack([np.stack([*test["logits"]]) for test in tests]).astype(float)
        labels = tests[0]["label"].to_numpy()
        assert all((test["label"].to_numpy() == labels).all() for test in tests)
        temperatures = rows["temperature_ece"].to_numpy()[:, None, None]
        self.correct = logits.argmax(axis=2) == labels
        self.confidences = {
            "before": special.softmax(logits, axis=2).max(axis=2),
            "after": special.softmax(logits / temperatures, axis=2).max(axis=2),
        }

    def scores(self, scaling: str) -> pd.DataFrame:
        """ECE in percent, [seeds, losses]."""
        column = "test_ece" if scaling == "before" else "test_ece_after_ece"
        return 100 * matched(self.rows, "loss", "seed", column)

    def resampled(self, scaling: str) -> np.ndarray:
        resamples = Resamples(self.correct.shape[1])
        drawn = binned_errors(self.confidences[scaling], self.correct, {"": ECE}, resamples)[""]
        return 100 * drawn.reshape(LOSSES, SEEDS, -1)


@pytest.fixture(scope="module")
def recorded(repository: Path) -> Recorded:
    return Recorded(Store(str(repository / "results/recorded/sst-tree-lstm")))


@pytest.mark.slow
def test_after_scaling_calibrated_networks_would_print_1_6_to_1_8(recorded: Recorded) -> None:
    found = top_label(recorded.confidences["after"], recorded.correct, BINNED_ERRORS)
    ours = recorded.scores("after")
    assert 100 * found["ece"].observed == pytest.approx(ours.to_numpy().T.ravel(), abs=1e-6)
    means = 100 * found["ece"].drawn.mean(axis=1).reshape(LOSSES, SEEDS).mean(axis=1)
    assert 1.6 < means.min() < 1.7 and 1.75 < means.max() < 1.85
    assert (round(ours.mean().min(), 1), round(ours.mean().max(), 1)) == (1.7, 2.9)
    # Four trials in five cannot be distinguished from calibrated ones.
    not_rejected = np.mean([floor.p_value > 0.05 for floor in found["ece"].of_each()])
    assert 0.75 <= not_rejected <= 0.85
    # The loss with the least error is at its own floor.
    best = int(ours.mean().to_numpy().argmin())
    of_best = slice(SEEDS * best, SEEDS * (best + 1))
    floor = top_label(recorded.confidences["after"][of_best], recorded.correct[of_best], {"ece": ECE})
    assert floor["ece"].of_mean().p_value > 0.3


@pytest.mark.slow
def test_after_scaling_none_of_78_pairs_differs_and_before_flsd_53_differs_from_cross_entropy(
    recorded: Recorded,
) -> None:
    after = recorded.scores("after")
    found = compare(after.to_numpy().T, recorded.resampled("after"))
    assert len(found.differences) == 78 and np.nanmin(found.p_values) > 0.05 and found.tied.all()
    before = recorded.scores("before")
    pair = before["flsd_53"], before["cross_entropy"]
    over = over_seeds(*pair)
    assert [round(each, 1) for each in (over.low, over.high)] == [-7.9, -2.4]
    assert round(over.estimate, 2) == -5.15
    drawn = recorded.resampled("before")
    first, second = (drawn[recorded.losses.index(series.name)] for series in pair)
    both = over_seeds_and_samples(*pair, first, second)
    assert both.high < -2 and both.p_value < 0.01


@pytest.mark.slow
def test_the_published_errors_before_scaling_would_agree_however_dealt(recorded: Recorded) -> None:
    """Ten of eleven agree, eight to nine would by chance."""
    theirs = published(("mukhoti2020/1", "mukhoti2020/5"))
    theirs = theirs[(theirs["dataset"] == "SST Binary") & (theirs["scaling"] == "before")]
    theirs = theirs.drop_duplicates("loss").set_index("loss")["value"]
    scores = recorded.scores("before")
    named = {names.LOSSES.get(loss, loss): scores[loss] for loss in scores}
    common = [loss for loss in theirs.index if loss in named]
    judged = [single_run(named[loss], theirs[loss]) for loss in common]
    found = agreement([each.low for each in judged], [each.high for each in judged], theirs[common])
    assert (found.agreeing, found.losses) == (10, 11)
    assert 8 <= found.by_chance <= 9
