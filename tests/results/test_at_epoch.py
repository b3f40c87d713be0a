"""Scores after a fixed epoch: from the curves, and where these lack them an empty cell with its reason."""

from __future__ import annotations

import math

import pytest

from results.scoring.commit import epochs_table
from results.store.store import Store
from results.tables.at_epoch import Epoch
from results.tables.table import build
from trainables.errors import ConfigurationError

from .conftest import arguments_of_commit, trial_of


def curves(epochs: int, first: float, scaled: bool) -> dict[str, object]:
    rows = [{"epoch": n, "test_ece": first + n / 100, "test_error": 0.5} for n in range(epochs)]
    after = {"test_ece_after_nll": 0.01, "temperature_nll": 1.5}
    return {"epochs": epochs_table([{**row, **(after if scaled else {})} for row in rows])}


@pytest.fixture
def filled(store: Store) -> Store:
    for seed, loss, made in (
        (0, "brier", curves(4, 0.2, scaled=True)),
        (1, "brier", curves(4, 0.4, scaled=True)),
        (0, "mmce", curves(4, 0.3, scaled=False)),
        (0, "flsd_53", curves(2, 0.1, scaled=True)),
    ):
        assert store.commit(**{**arguments_of_commit(trial_of(seed, loss)), **made})
    return store


def test_cells_are_of_the_epoch_or_say_why_not(filled: Store) -> None:
    evaluations = filled.snapshot().evaluations()
    epoch = Epoch.read(filled, evaluations, None, 3)
    metrics = epoch.metrics((), ("mce", "ece", "error"))
    built = build(evaluations, None, "temperature_nll", metrics)
    reported, ece, _, error = epoch.beside(built, None, "temperature_nll")
    assert [table.epoch for table in (reported, ece, error)] == [None, 3, 3]
    cells = dict(zip(ece.columns, ece.rows[0].cells, strict=True))
    before, after = (cells["brier", scaling] for scaling in ("before", "after"))
    assert before and after
    assert (before.mean, before.deviation) == pytest.approx((0.32, math.sqrt(0.02)))
    assert (after.mean, after.temperature, after.floor) == (pytest.approx(0.01), 1.5, None)
    unscaled, short = cells["mmce", "after"], cells["flsd_53", "before"]
    assert unscaled and math.isnan(unscaled.mean) and short and math.isnan(short.mean)
    of_mmce = cells["mmce", "before"]
    assert of_mmce and of_mmce.mean == pytest.approx(0.32)
    notes = " ".join(ece.notes)
    assert "without scores after scaling" in notes and "2 epochs" in notes and "the last" in notes
    assert "epoch 3" in ece.caption and "epoch 3" not in reported.caption


def test_an_epoch_or_metric_without_numbers_is_refused(filled: Store) -> None:
    evaluations = filled.snapshot().evaluations()
    with pytest.raises(ConfigurationError, match="4 epochs"):
        Epoch.read(filled, evaluations, None, 5)
    with pytest.raises(ConfigurationError, match=r"'nll'.*ece, error"):
        Epoch.read(filled, evaluations, None, 4).metrics(("ece", "nll"), ())
