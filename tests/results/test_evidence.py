"""Floors and comparisons in tables, from stored predictions in any order, against the metrics themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from results.scoring import samples
from results.scoring.scores import chosen
from results.tables.evidence import Evidence, Place, Predictions
from trainables import calibrators, metrics

CLASSES, VALIDATION, TEST = 7, 90, 160
LOSSES, SEEDS = ("brier", "focal_1", "mmce"), (0, 4)
TEMPERATURE = 1.7


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Splits, ids, logits and labels, in an order of this trial's own."""
    generator = np.random.default_rng(seed)
    parts = np.array(["validation"] * VALIDATION + ["test"] * TEST)
    ids = np.concatenate([np.arange(VALIDATION), np.arange(TEST)])
    truth = np.random.default_rng(1).integers(0, CLASSES, VALIDATION + TEST)
    logits = generator.normal(size=(len(parts), CLASSES)) * 2 + 3 * np.eye(CLASSES)[truth]
    order = generator.permutation(len(parts))
    return parts[order], ids[order], logits[order].astype(np.float32), truth[order]


def table(seed: int) -> pa.Table:
    parts, ids, logits, labels = draw(seed)
    column = pa.FixedSizeListArray.from_arrays(pa.array(logits.ravel()), CLASSES)
    names = ["split", "sample_id", "label", "logits"]
    return pa.table([pa.array(parts), pa.array(ids), pa.array(labels), column], names=names)


def score(seed: int, metric: str, temperature: float = 1.0) -> float:
    parts, _, logits, labels = draw(seed)
    own = parts == "test"
    probabilities = torch.from_numpy(logits[own].astype(float) / temperature).softmax(1)
    return metrics.compute(metric, probabilities, torch.from_numpy(labels[own]))


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    rows = []
    for number, (loss, seed) in enumerate((loss, seed) for loss in LOSSES for seed in SEEDS):
        row = {"key": str(number), "dataset": "d", "model": "m", "loss": loss, "variant": "v", "seed": seed}
        row |= {f"test_{name}": score(number, name) for name in ("ece", "nll", "mean_confidence")}
        row |= {"test_ece_after_ece": score(number, "ece", TEMPERATURE), "temperature_ece": TEMPERATURE}
        rows.append(row)
    # One trial is missing.
    return pd.DataFrame(rows).drop(index=3).reset_index(drop=True)


def stored(*left_out: str) -> Predictions:
    return lambda keys: {key: table(int(key)) for key in keys if key not in left_out}


PLACES = [Place("d", "m", loss, "v") for loss in LOSSES]


@pytest.mark.parametrize(("column", "after"), [("test_ece", False), ("test_ece_after_ece", True)])
def test_floors_belong_to_the_mean_over_the_seeds(trials: pd.DataFrame, column: str, after: bool) -> None:
    (metric,) = chosen(["ece"])
    found = Evidence(trials, stored(), "temperature_ece", [metric]).of_row(PLACES, metric, after)
    means = trials.groupby("loss")[column].mean()
    for loss, floor in zip(LOSSES, found.floors, strict=True):
        assert floor is not None and floor.observed == pytest.approx(means[loss], rel=1e-9)
        assert 0 < floor.mean < floor.upper
    assert found.over_samples and found.comparison.known.all()
    assert {pair: each.seeds for pair, each in found.comparison.differences.items()} == {
        (0, 1): 1,
        (0, 2): 2,
        (1, 2): 1,
    }


def test_a_trial_without_predictions_leaves_a_comparison_over_seeds(trials: pd.DataFrame) -> None:
    (metric,) = chosen(["ece"])
    found = Evidence(trials, stored("5"), "temperature_ece", [metric]).of_row(PLACES, metric, after=False)
    assert not found.over_samples and found.floors == [None] * 3
    # A pair with one matched seed has a difference, and no spread over seeds.
    assert np.isnan(found.comparison.p_values[0, 1]) and not np.isnan(found.comparison.p_values[0, 2])


@pytest.mark.parametrize("name", ["nll", "brier", "error", "top_1_accuracy", "top_5_accuracy"])
def test_means_over_samples_are_the_metrics(name: str) -> None:
    own = samples.of_test_set(table(2), "temperature_ece", TEMPERATURE)
    values = samples.means_over(own, name)
    assert values is not None and list(own.ids) == list(range(TEST))
    assert values.mean() == pytest.approx(score(2, name, TEMPERATURE), rel=1e-12)


def test_other_metrics_are_compared_over_seeds_alone(trials: pd.DataFrame) -> None:
    (metric,) = chosen(["mean_confidence"])
    found = Evidence(trials, stored(), "none", [metric]).of_row(PLACES, metric, after=False)
    assert not found.over_samples and found.floors == [None] * 3
    assert samples.means_over(samples.of_test_set(table(0)), "mean_confidence") is None


def test_a_calibrator_without_a_temperature_in_the_row_is_fitted_again() -> None:
    parts, ids, logits, labels = draw(3)
    fitting, own = parts == "validation", np.flatnonzero(parts == "test")[np.argsort(ids[parts == "test"])]
    fitted = calibrators.fit(
        "temperature_nll_continuous", torch.from_numpy(logits[fitting]), torch.from_numpy(labels[fitting])
    )
    expected = fitted.log_probabilities(torch.from_numpy(logits[own]))[torch.arange(TEST), labels[own]]
    found = samples.of_test_set(table(3), "temperature_nll_continuous").negative_log_likelihoods
    assert found == pytest.approx(-expected.numpy(), rel=1e-6)
    assert found.mean() != pytest.approx(samples.of_test_set(table(3)).negative_log_likelihoods.mean())


def test_standard_errors_are_those_of_the_mean_over_seeds(trials: pd.DataFrame) -> None:
    metrics_ = chosen(["nll", "mean_confidence"])
    evidence = Evidence(trials, stored(), "none", metrics_)
    found = evidence.of_row(PLACES, metrics_[0], after=False)
    for loss, error in zip(LOSSES, found.standard_errors, strict=True):
        keys = trials["key"][trials["loss"] == loss]
        by_sample = np.mean(
            [samples.of_test_set(table(int(key))).negative_log_likelihoods for key in keys], axis=0
        )
        assert error == pytest.approx(by_sample.std(ddof=1) / np.sqrt(TEST), rel=0.08)
    other = evidence.of_row(PLACES, metrics_[1], after=False)
    assert np.isnan(other.standard_errors).all() and (found.samples, other.samples) == (TEST, TEST)


def test_one_seed_near_chance_marks_its_loss(trials: pd.DataFrame) -> None:
    def predictions(keys: Sequence[str]) -> dict[str, pa.Table]:
        found = dict(stored()(keys))
        useless = found["5"]
        constant = pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile(np.arange(CLASSES, dtype=np.float32), len(useless))), CLASSES
        )
        return {**found, "5": useless.set_column(3, "logits", constant)}

    (metric,) = chosen(["ece"])
    found = Evidence(trials, predictions, "none", [metric]).of_row(PLACES, metric, after=False)
    assert found.near_chance == [False, False, True]


def test_infinite_scores_are_compared_over_seeds_alone(trials: pd.DataFrame) -> None:
    def predictions(keys: Sequence[str]) -> dict[str, pa.Table]:
        found = dict(stored()(keys))
        hopeless = found["4"]["logits"].combine_chunks().flatten().to_numpy().reshape(-1, CLASSES).copy()
        hopeless[:, 0] = -np.inf
        column = pa.FixedSizeListArray.from_arrays(pa.array(hopeless.ravel()), CLASSES)
        return {**found, "4": found["4"].set_column(3, "logits", column)}

    (metric,) = chosen(["nll"])
    rows = trials.assign(test_nll=trials["test_nll"].where(trials["key"] != "4", np.inf))
    found = Evidence(rows, predictions, "none", [metric]).of_row(PLACES, metric, after=False)
    assert not found.over_samples and found.samples == TEST
