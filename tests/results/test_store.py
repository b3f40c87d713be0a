"""What is committed comes back, once and unchanged; what is damaged is found and never read as a number."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from results.store.address import Address
from results.store.errors import StoreError
from results.store.inspection import inspection
from results.store.store import Store
from results.store.survey import State, Survey
from trainables.trial import Trial

from .conftest import (
    CLASSES,
    EPOCHS,
    TEST,
    VALIDATION,
    arguments_of_commit,
    commit,
    content_of,
    path_of,
    result_of,
    trial_of,
)

KINDS = ("predictions", "epochs", "trials")


def test_a_commit_comes_back_as_it_was(store: Store) -> None:
    trial = trial_of(seed=4, loss="focal_2")
    assert commit(store, trial) == [True]
    (row,) = store.trials().to_dict("records")
    expected = arguments_of_commit(trial)
    identity = {
        "key": trial.key,
        "variant": trial.variant,
        "dataset": "digits",
        "model": "mlp",
        "loss": "focal_2",
        "seed": 4,
        "protocol": "mukhoti2020",
    }
    assert {name: row[name] for name in identity} == identity
    for kind in ("scores", "measurements", "provenance"):
        for name, value in expected[kind].items():
            assert row[name] == value or (math.isnan(row[name]) and math.isnan(value)), name
    assert math.isnan(row["test_confident_accuracy"]) and row["test_confident_share"] == 0

    address, result = Address.of(trial), result_of(trial)
    predictions = store.predictions(address).to_pandas()
    assert list(predictions) == ["split", "sample_id", "label", "logits"]
    assert predictions["split"].tolist() == ["validation"] * VALIDATION + ["test"] * TEST
    for name, part in (("validation", result.validation), ("test", result.test)):
        rows = predictions[predictions["split"] == name]
        logits = np.stack(rows["logits"].tolist())
        assert logits.shape == (len(part.labels), CLASSES) and logits.dtype == np.float32
        assert np.array_equal(logits, part.logits.numpy())
        assert rows["label"].tolist() == part.labels.tolist()
        assert rows["sample_id"].tolist() == part.sample_ids.tolist()
    epochs = store.epochs(address).to_pylist()
    assert epochs == result.epochs and epochs[0]["test_nll_wrong"] is None and len(epochs) == EPOCHS


def test_equal_results_are_equal_bytes_and_the_first_commit_stands(store: Store, tmp_path: Path) -> None:
    trial, other = trial_of(), Store(str(tmp_path / "other"))
    commit(store, trial)
    commit(other, trial)
    before = content_of(store)
    assert before == content_of(other) and len(before) == len(KINDS)
    arguments = arguments_of_commit(trial)
    assert not store.commit(**arguments)
    assert not store.commit(**{**arguments, "scores": {"test_ece": 0.0}, "provenance": {}})
    assert content_of(store) == before


def test_numbers_of_any_kind_are_committed_as_floats(store: Store) -> None:
    arguments = arguments_of_commit(trial_of())
    arguments["scores"] = {"test_ece": np.float32(0.25), "test_nll": 1, "test_mce": -0.0}
    store.commit(**arguments)
    (row,) = store.trials().to_dict("records")
    assert (row["test_ece"], row["test_nll"], math.copysign(1, row["test_mce"])) == (0.25, 1.0, -1.0)


def test_an_empty_store_has_no_trials_and_all_are_missing(store: Store) -> None:
    frame = store.trials()
    assert frame.empty and {"key", "dataset", "model", "loss", "seed"} <= set(frame.columns)
    survey = store.survey([trial_of()])
    assert survey.states == {trial_of().key: State.MISSING} and survey.count(State.MISSING) == 1
    assert store.compact() == 0
    with pytest.raises(StoreError, match="missing or damaged"):
        store.predictions(Address.of(trial_of()))


def test_foreign_files_in_a_store_are_no_results(store: Store) -> None:
    trial = trial_of()
    commit(store, trial)
    store.record_failure(trial_of(1), "bug", "no", "", "here")
    expected = store.trials()
    folder = Path(Address.of(trial).path("trials")).parent
    for name in (".DS_Store", f"._{trial.key}.parquet", f".{trial.key}.parquet.x7Ty", "notes.txt"):
        for kind in ("trials", "failures"):
            store.folder.write(str(folder / name).replace("trials", kind), b"not ours")
    frame = store.trials()
    assert not frame.attrs["damaged"]
    pd.testing.assert_frame_equal(frame, expected)
    survey = store.survey([trial, trial_of(1)])
    assert [*survey.states.values()] == [State.DONE, State.FAILED] and not survey.damaged


def test_a_trial_is_found_by_key_under_any_label(store: Store) -> None:
    trial = trial_of(loss="focal_1")
    commit(store, trial)
    renamed = dataclasses.replace(trial, loss=dataclasses.replace(trial.loss, label="focal_one"))
    assert renamed.key == trial.key and Address.of(renamed) != Address.of(trial)
    assert store.survey([renamed]).states == {trial.key: State.DONE}
    path = path_of(store, trial, "epochs")
    store.folder.write(path, b"")
    assert store.survey([renamed]).damaged == {trial.key: (path, Address.of(trial).path("trials"))}


def test_data_of_before_without_a_digest_in_its_name_is_read_and_checked(store: Store) -> None:
    trials = [trial_of(seed) for seed in range(3)]
    commit(store, *trials)
    for kind in ("predictions", "epochs"):
        for trial in trials[:2]:
            store.folder.move(path_of(store, trial, kind), Address.of(trial).path(kind))
    survey = store.survey(trials)
    assert survey.count(State.DONE) == 3 and not survey.damaged
    for trial in trials:
        assert store.predictions(Address.of(trial)).num_rows == VALIDATION + TEST
        assert store.epochs(Address.of(trial)).num_rows == EPOCHS
    made = inspection(store)
    for step in made.steps:
        step()
    assert not made.findings and made.trials == 3

    old = Address.of(trials[0]).path("predictions")
    store.folder.write(old, store.folder.read(Address.of(trials[1]).path("predictions")))
    with pytest.raises(StoreError, match=f"{old} is missing or damaged"):
        store.predictions(Address.of(trials[0]))
    survey = store.survey(trials)
    assert survey.damaged == {trials[0].key: (old, Address.of(trials[0]).path("trials"))}
    store.set_aside(survey.damaged[trials[0].key])
    assert commit(store, *trials) == [True, False, False]
    survey = store.survey(trials)
    assert survey.count(State.DONE) == 3 and not survey.damaged


ODD = [
    "..",
    ".",
    "",
    "/",
    "../../x",
    "focal(gamma=0.5)",
    "focal(gamma=0,5)",
    "a\\b",
    "c\0d",
    "ä" * 300,
    "-",
    "~",
]


@given(st.lists(st.text() | st.sampled_from(ODD), min_size=3, max_size=3))
@example(["..", "../..", "."])
def test_no_label_leads_out_of_the_store(labels: list[str]) -> None:
    path = Address(*labels, key="0123456789").path("trials")
    parts = path.split("/")
    assert len(parts) == 5 and parts[0] == "trials" and parts[4] == "0123456789.parquet"
    assert all(part.isascii() and part.isprintable() and 0 < len(part) < 200 for part in parts)
    assert not any(part.startswith(".") for part in parts)


def test_labels_that_share_a_folder_share_no_file(store: Store) -> None:
    trials = []
    for number, label in enumerate(ODD):
        trial = trial_of(seed=number)
        trials.append(dataclasses.replace(trial, loss=dataclasses.replace(trial.loss, label=label)))
    assert commit(store, *trials) == [True] * len(ODD)
    assert sorted(store.trials()["loss"]) == sorted(ODD)
    survey = store.survey(trials)
    assert survey.count(State.DONE) == len(ODD)
    for trial in trials:
        assert store.predictions(Address.of(trial)).num_rows == VALIDATION + TEST
    outside = {path.name for path in Path(store.folder.root).parent.iterdir()}
    assert outside == {"store"}


# Damage

TRIALS = (trial_of(0), trial_of(1, "mmce"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of two trials, for tests that put back what they damage."""
    made = Store(str(tmp_path_factory.mktemp("whole")))
    commit(made, *TRIALS)
    yield made


def assert_found(store: Store, damaged: Trial, kind: str, path: str, expected: pd.DataFrame) -> None:
    """The damage is named, no wrong number is read, and the trial can be made again as it was."""
    other = next(trial for trial in TRIALS if trial != damaged)
    row_path = Address.of(damaged).path("trials")
    survey = store.survey(TRIALS)
    assert survey.states == {damaged.key: State.MISSING, other.key: State.DONE}
    assert [*survey.damaged] == [damaged.key]
    assert set(survey.damaged[damaged.key]) == {path, row_path}
    frame = store.trials()
    if kind == "trials":
        there = store.folder.exists(path)
        assert frame.attrs["damaged"] == ([path] if there else [])
        expected = expected[expected["key"] == other.key].reset_index(drop=True)
    else:
        with pytest.raises(StoreError, match=f"{kind}/.*{damaged.key}.* missing or damaged"):
            getattr(store, kind)(Address.of(damaged))
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "empty": lambda content, other: b"",
    "one byte": lambda content, other: content[:1],
    "half": lambda content, other: content[: len(content) // 2],
    "all but one byte": lambda content, other: content[:-1],
    "zeros, as after a power cut": lambda content, other: bytes(len(content)),
    "one byte more": lambda content, other: content + b"\0",
    "another trial's": lambda content, other: other,
}


@pytest.mark.parametrize("damage", [*DAMAGES, "deleted"])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found_set_aside_and_made_again(store: Store, kind: str, damage: str) -> None:
    commit(store, *TRIALS)
    expected, before = store.trials(), content_of(store)
    (path, other), row_path = (path_of(store, t, kind) for t in TRIALS), path_of(store, TRIALS[0], "trials")
    if damage == "deleted":
        store.folder.delete(path)
    else:
        store.folder.write(path, DAMAGES[damage](before[path], before[other]))
    if (kind, damage) == ("trials", "deleted"):
        assert store.survey(TRIALS).damaged == {}
    else:
        assert_found(store, TRIALS[0], kind, path, expected)

    for paths in store.survey(TRIALS).damaged.values():
        store.set_aside(paths)
    survey = store.survey(TRIALS)
    assert survey.damaged == {} and survey.states[TRIALS[0].key] == State.MISSING
    assert not store.folder.exists(row_path)
    if damage != "deleted":
        assert store.folder.exists(f"damaged/{path}")
    assert commit(store, *TRIALS) == [True, False]
    assert store.survey(TRIALS).count(State.DONE) == 2
    now = content_of(store)
    assert {path: now[path] for path in before} == before


def test_a_file_set_aside_twice_is_kept_twice(store: Store) -> None:
    trial = trial_of()
    path = Address.of(trial).path("trials")
    for content in (b"first", b"second", b"third"):
        store.folder.write(path, content)
        store.set_aside([path])
    assert sorted(content_of(store).values()) == [b"first", b"second", b"third"]
    assert all(name.startswith("damaged/trials/") for name in content_of(store))
    assert store.trials().empty and store.survey([trial]).states[trial.key] == State.MISSING


@pytest.mark.slow
@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_flipped_bits_give_another_number(whole: Store, kind: str, where: float, bits: int) -> None:
    path = path_of(whole, TRIALS[0], kind)
    expected, original = whole.trials(), whole.folder.read(path)
    content = bytearray(original)
    content[int(where * len(content))] ^= bits
    whole.folder.write(path, bytes(content))
    try:
        frame = whole.trials()
        if kind == "trials" and not frame.attrs["damaged"]:
            # Padding and the like: the values are what they were.
            pd.testing.assert_frame_equal(frame, expected, check_exact=True)
            assert whole.survey(TRIALS).count(State.DONE) == 2
        else:
            assert_found(whole, TRIALS[0], kind, path, expected)
    finally:
        whole.folder.write(path, original)


# Failures


def test_the_latest_failure_decides_and_a_commit_overrules_it(store: Store) -> None:
    trial, other = trial_of(), trial_of(1)

    def state() -> State:
        return store.survey([trial, other]).states[trial.key]

    first = store.record_failure(trial, "diverged", "loss is nan", "Traceback ...\nend", "here")
    assert (first.attempt, state()) == (1, State.FAILED)
    assert store.survey([trial]).failures == {trial.key: first}
    assert store.record_failure(trial, "preempted", "its node died", "", "here").attempt == 2
    assert state() == State.MISSING
    store.folder.write(f"checkpoints/{trial.key}/000003-00.pt", b"")
    assert state() == State.INTERRUPTED
    for attempt in range(3, 12):
        latest = store.record_failure(trial, "out of memory", "attempt", "", "here")
        assert latest.attempt == attempt
    assert store.survey([trial]).failures[trial.key] == latest and state() == State.FAILED
    assert store.survey([other]).failures == {}
    commit(store, trial)
    assert state() == State.DONE


def test_a_damaged_record_of_a_failure_is_named_and_the_one_before_it_counts(store: Store) -> None:
    trial = trial_of()

    def survey(content: bytes) -> Survey:
        store.folder.write(path, content)
        return store.survey([trial])

    store.record_failure(trial, "bug", "no", "", "here")
    path = Address.of(trial).path("failures", "-1")
    original = store.folder.read(path)
    another = original.replace(trial.key.encode(), trial_of(1).key.encode())
    for content in (b"", original[:-9], another, bytes(len(original))):
        found = survey(content)
        assert found.states[trial.key] == State.MISSING and not found.failures
        assert found.damaged == {trial.key: (path,)}
    assert survey(original).states[trial.key] == State.FAILED
    first = survey(original).failures[trial.key]
    store.record_failure(trial, "preempted", "its node died", "", "here")
    path = Address.of(trial).path("failures", "-2")
    found = survey(b"")
    assert found.states[trial.key] == State.FAILED and found.failures == {trial.key: first}
    assert found.damaged == {trial.key: (path,)}


def test_failures_before_a_finish_do_not_count(store: Store) -> None:
    trial = trial_of()
    store.record_failure(trial, "bug", "no", "", "here")
    commit(store, trial)
    store.folder.write(Address.of(trial).path("trials"), b"")
    assert store.survey([trial]).states[trial.key] == State.MISSING
