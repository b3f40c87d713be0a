"""Means and deviations against Python's own `statistics`, and what must never be averaged."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.tables.statistics import summarise
from trainables.errors import CalibsweepError

COLUMNS = ["test_ece", "test_nll"]


def trial(
    loss: str,
    seed: int,
    ece: float = 0.1,
    nll: float = 0.5,
    model: str = "mlp",
    version: int = 1,
    **training: Any,
) -> dict[str, Any]:
    training = {"epochs": 60, "learning_rate": 0.1, "milestones": [20, 40]} | training
    parts = {"dataset": "digits", "model": model, "loss": loss}
    identity: dict[str, Any] = {name: {"name": label, "version": 1} for name, label in parts.items()}
    identity["loss"]["version"] = version
    identity |= {"training": training, "seed": seed}
    variant = json.dumps([training, version])
    key = json.dumps([parts, variant, seed])
    numbers = {"test_ece": ece, "test_nll": nll}
    return {
        "key": key,
        "variant": variant,
        **parts,
        "seed": seed,
        "identity": json.dumps(identity),
        **numbers,
    }


def rows(summary: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["settings"], row["loss"]): row for row in summary.to_dict("records")}


numbers = st.floats(0, 10)
cells = st.dictionaries(
    st.tuples(st.sampled_from(["mlp", "cnn"]), st.sampled_from(["brier", "mmce"]), st.sampled_from([60, 3])),
    st.dictionaries(st.integers(0, 6), st.tuples(numbers, numbers), min_size=1, max_size=5),
    min_size=1,
)


def of_cells(drawn: dict[Any, Any]) -> list[dict[str, Any]]:
    return [
        trial(loss, seed, ece, nll, model=model, epochs=epochs)
        for (model, loss, epochs), seeds in drawn.items()
        for seed, (ece, nll) in seeds.items()
    ]


@given(cells)
@settings(max_examples=40)
def test_agrees_with_the_standard_library_and_averages_no_two_variants(drawn: dict[Any, Any]) -> None:
    trials = of_cells(drawn)
    summary = summarise(pd.DataFrame(trials), COLUMNS)
    assert len(summary) == len(drawn)
    message = {
        (row["model"], row["loss"], json.loads(row["variant"])[0]["epochs"]): row
        for row in summary.to_dict("records")
    }
    for cell, seeds in drawn.items():
        row = message[cell]
        assert row["seeds"] == len(seeds)
        for column, values in zip(COLUMNS, zip(*seeds.values(), strict=True), strict=True):
            assert row[f"{column}_mean"] == pytest.approx(statistics.fmean(values), abs=1e-12)
            if len(values) == 1:
                assert math.isnan(row[f"{column}_deviation"])
            else:
                assert row[f"{column}_deviation"] == pytest.approx(statistics.stdev(values), abs=1e-9)
    # Two variants of one cell never have one name.
    assert not summary.duplicated(["dataset", "model", "settings", "loss"]).any()


@given(cells, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_order_of_rows_changes_nothing(drawn: dict[Any, Any], random: Any) -> None:
    trials = of_cells(drawn)
    before = summarise(pd.DataFrame(trials), COLUMNS)
    random.shuffle(trials)
    pd.testing.assert_frame_equal(before, summarise(pd.DataFrame(trials), COLUMNS), check_exact=True)


@given(cells, st.data())
@settings(max_examples=30)
def test_a_seed_that_is_there_twice_is_refused(drawn: dict[Any, Any], data: Any) -> None:
    trials = of_cells(drawn)
    again = data.draw(st.sampled_from(trials)) | {"key": "another", "test_ece": 0.7}
    with pytest.raises(CalibsweepError, match="another") as caught:
        summarise(pd.DataFrame([*trials, again]), COLUMNS)
    assert "\n" not in str(caught.value)


def test_rows_are_named_by_the_settings_that_differ() -> None:
    trials = [trial("mmce", 0), trial("mmce", 0, epochs=3, milestones=[1, 2])]
    # Milestones follow from the epochs, and a loss of its own learning rate is compared all the same.
    trials += [trial("brier", 0, learning_rate=0.035), trial("mmce", 0, model="cnn")]
    summary = summarise(pd.DataFrame(trials), COLUMNS)
    assert [*zip(summary["model"], summary["settings"], summary["loss"], strict=True)] == [
        ("cnn", "", "mmce"),
        ("mlp", "epochs=3", "mmce"),
        ("mlp", "epochs=60", "brier"),
        ("mlp", "epochs=60", "mmce"),
    ]
    milestones = summarise(pd.DataFrame([trial("mmce", 0), trial("mmce", 0, milestones=[])]), COLUMNS)
    assert [*milestones["settings"]] == ["milestones=none", "milestones=20-40"]
    # Settings that rows of older versions lack, and that are off in most.
    methods: list[dict[str, Any]] = [{}, {"mixup": 0.2}, {"mixup": 0.2, "ema_decay": 0.9}, {"sam": 0.05}]
    added = summarise(pd.DataFrame([trial("mmce", 0, **each) for each in methods]), COLUMNS)
    assert [*added["settings"]] == ["plain", "sam=0.05", "mixup=0.2", "ema_decay=0.9, mixup=0.2"]
    versions = summarise(pd.DataFrame([trial("mmce", 0), trial("mmce", 0, version=2)]), COLUMNS)
    assert [*versions["settings"]] == ["loss version=1", "loss version=2"]


def test_expected_trials_decide_which_count_and_which_are_missing() -> None:
    expected = pd.DataFrame([trial("mmce", seed) for seed in range(3)] + [trial("brier", 0)])
    expected = expected.drop(columns=COLUMNS)
    other = [trial("mmce", 7, 9.0), trial("mmce", 0, 9.0, epochs=3), trial("adafocal", 0, 9.0)]
    # A label is no part of a key: the store may have called the loss otherwise.
    done = [trial("mmce", 0, 0.1), trial("mmce", 2, 0.3) | {"loss": "calibrating(kernel=0.4)"}]
    summary = rows(summarise(pd.DataFrame(done + other), COLUMNS, expected))
    assert set(summary) == {("", "mmce"), ("", "brier")}
    assert summary["", "mmce"]["test_ece_mean"] == pytest.approx(0.2)
    assert (summary["", "mmce"]["seeds"], summary["", "mmce"]["missing"]) == (2, (1,))
    assert (summary["", "brier"]["seeds"], summary["", "brier"]["missing"]) == (0, (0,))
    assert math.isnan(summary["", "brier"]["test_ece_mean"])


def test_a_variant_known_by_its_digest_alone_is_called_by_that() -> None:
    done = pd.DataFrame([trial("mmce", 0)])
    expected = pd.DataFrame([trial("mmce", 0), trial("mmce", 0, epochs=3) | {"variant": "0123456789abcdef"}])
    summary = summarise(done, COLUMNS, expected.drop(columns="identity"))
    assert set(summary["settings"]) == {"", "variant 01234567"}


def test_a_seed_without_a_number_is_not_left_out_in_silence() -> None:
    trials = [trial("mmce", 0, 0.1), trial("mmce", 1, math.nan), trial("mmce", 2, 0.3)]
    row = rows(summarise(pd.DataFrame(trials), COLUMNS))["", "mmce"]
    assert math.isnan(row["test_ece_mean"]) and math.isnan(row["test_ece_deviation"])
    assert row["test_nll_mean"] == 0.5


def test_nothing_to_summarise_is_one_line() -> None:
    one = pd.DataFrame([trial("mmce", 0)])
    with pytest.raises(CalibsweepError, match="no trial is finished"):
        summarise(pd.DataFrame(), COLUMNS)
    with pytest.raises(CalibsweepError, match="none of these 1 trials is finished"):
        summarise(one, COLUMNS, pd.DataFrame([trial("mmce", 1)]))
    with pytest.raises(CalibsweepError, match="no 'test_mce'"):
        summarise(one, ["test_mce"])
