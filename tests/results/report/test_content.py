"""The content of a report: its numbers are those of the store."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.report.answers import answer
from results.report.page import Column, Loss, Metric, Page, Trial, Value
from results.report.trials import MOST_EPOCHS, curves, diagram
from results.store.store import Store

from .conftest import GOLDEN


def test_each_number_is_that_of_its_row(page: Page) -> None:
    rows = Store(str(GOLDEN / "store")).trials().set_index("key")
    trials = [trial for cell in page.cells for trial in cell.trials]
    assert len(trials) == page.done == 11 and page.planned == 12
    assert [cell.missing for cell in page.cells] == [(), (), (), (2,)]
    names = [page.metrics[column.metric].name for column in page.columns]
    for cell in page.cells:
        network, loss = page.networks[cell.network], page.losses[cell.loss]
        for trial in cell.trials:
            row = rows.loc[trial.key]
            assert (row["dataset"], row["model"], row["loss"]) == (network.dataset, network.model, loss.label)
            assert trial.temperature == row["temperature_ece"] and trial.epoch == row["reported_epoch"] + 1
            for name, column, score in zip(names, page.columns, trial.scores, strict=True):
                stored = row[f"test_{name}" + ("_after_ece" if column.scaling == "after" else "")]
                assert score == pytest.approx(100 * stored), name
            assert page.origins[trial.origin]["commit"] == row["source_commit"]
        for position, value in enumerate(cell.scores):
            assert value is not None
            assert value.mean == pytest.approx(np.mean([trial.scores[position] for trial in cell.trials]))


def test_the_bins_of_a_diagram_give_the_error(page: Page) -> None:
    ece = [number for number, column in enumerate(page.columns) if page.metrics[column.metric].name == "ece"]
    for trial in (trial for cell in page.cells for trial in cell.trials):
        # The rows of these trials were scored in float32.
        for position, each in zip(ece, trial.diagrams, strict=True):
            _, counts, confidences, accuracies, low, high = np.array(each.filled).T
            gaps = counts * np.abs(confidences - accuracies)
            assert 100 * gaps.sum() / counts.sum() == pytest.approx(trial.scores[position], abs=1e-4)
            assert (low <= high).all() and (low >= 0).all() and (high <= 1).all()


def test_the_band_is_that_of_a_binomial_distribution() -> None:
    # Bins of 1, 5 and 40 samples, one of them certain.
    confidences = np.repeat([0.03, 0.5, 0.83, 1.0], [1, 5, 40, 3])
    for _, samples, confidence, _, low, high in diagram(confidences, confidences > 0.4).filled:
        ends = stats.binom.ppf([0.025, 0.975], samples, confidence) / samples
        assert (low, high) == pytest.approx(tuple(ends))


def test_curves_are_thinned_and_keep_both_ends() -> None:
    values = np.linspace(0.2, 0.1, 350)
    found = curves(pd.DataFrame({"epoch": range(350), "test_ece": values, "validation_ece": 2 * values}))
    assert found is not None and len(found.epochs) == MOST_EPOCHS and found.epochs[::47] == (1, 350)
    assert found.lines["ece"]["test"][-1] == pytest.approx(10)
    assert found.lines["ece"]["validation"][0] == pytest.approx(40)
    assert curves(pd.DataFrame({"epoch": [0]})) is None
    other_task = curves(pd.DataFrame({"epoch": [0, 1], "train_loss": [3.0, 2.0]}))
    assert other_task is not None and other_task.lines == {"loss": {"train": (3.0, 2.0)}}


LOSSES = [Loss(label, label, "#000000", "#ffffff") for label in ("cross_entropy", "focal_3", "mmce")]
LOWER = Metric("ece", "ECE", "", "lower", "points")


def answered(scores: list[list[float]], best: list[bool], metric: Metric = LOWER) -> tuple[str, int, str]:
    """Is it real, which loss, by how much: from scores [losses][seeds] and the marks of the table."""
    trials = {
        loss: [
            Trial(f"{loss}{seed}", seed, math.nan, "", 0, (score,), (), None, {}, 0)
            for seed, score in enumerate(own)
        ]
        for loss, own in enumerate(scores)
    }
    values = {
        loss: Value("", "", float(np.mean(own)), mark, math.nan, math.nan, False, False)
        for loss, (own, mark) in enumerate(zip(scores, best, strict=True))
    }
    found = answer(LOSSES, metric, Column(0, "before", "", 2), 0, values, trials, {}, {})
    assert found is not None
    return found.real, found.best, found.much


def test_the_answer_follows_the_marks_of_the_table() -> None:
    scores = [[9.0, 9.2], [4.0, 4.2], [5.0, 5.1]]
    assert answered(scores, [False, True, False])[:2] == ("yes", 1)
    assert answered(scores, [False, True, True])[:2] == ("partly", 1)
    real, best, much = answered(scores, [False, False, False])
    assert (real, best) == ("no", 1)
    assert much.startswith("5.00 points below cross_entropy; 95% interval 5.00 to 5.00")
    # A one-sided test rejects where the two-sided interval, of 3 and 41 in mean, includes zero.
    _, _, much = answered([[41.0, 45.0], [4.0, 42.0]], [False, True])
    assert "includes zero" in much and "one-sided" in much
    real, best, much = answered([[9.0], [4.0], [5.0]], [False] * 3)
    assert (real, best) == ("unknown", 1) and "no interval" in much
    # With logits, networks of one seed can be told apart, and losses still cannot.
    assert answered([[9.0], [4.0], [5.0]], [False, True, False])[0] == "unknown"


def test_the_best_is_the_highest_where_higher_is_better() -> None:
    metric = Metric("top_1_accuracy", "Top-1", "", "higher", "points")
    real, best, much = answered([[90.0, 91.0, 91.5], [80.0, 83.0, 85.0]], [True, False], metric)
    # Cross-entropy itself is the best, so the next one is the measure: paired differences 10, 8 and 6.5.
    low, high = stats.t.interval(0.95, 2, np.mean([10, 8, 6.5]), stats.sem([10, 8, 6.5]))
    assert (real, best) == ("yes", 0)
    assert f"8.17 points above focal_3, the next; 95% interval {low:.2f} to {high:.2f}" in much


def test_the_error_of_the_best_loss_is_beside_it(page: Page) -> None:
    names = [page.metrics[column.metric].name for column in page.columns]
    error = names.index("error")
    for network, answers in enumerate(page.answers):
        errors = {
            cell.loss: value.mean
            for cell in page.cells
            if cell.network == network and (value := cell.scores[error]) is not None
        }
        for name, found in zip(names, answers, strict=True):
            assert found is not None
            assert bool(found.error) == (name not in ("error", "top_1_accuracy", "top_5_accuracy"))
            if found.error:
                assert found.error.startswith(f"{errors[found.best]:.2f}")
                assert ("the lowest." in found.error) == (errors[found.best] == min(errors.values()))
