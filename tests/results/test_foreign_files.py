"""What others put into a store is passed over by whatever reads it, and named by `store verify`."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from results.store import copies, pilots, running
from results.store.address import TEST, Address
from results.store.checkpoints import StoredCheckpoints
from results.store.finding import FOREIGN
from results.store.mending import mending
from results.store.pilots import Pilot
from results.store.snapshot import TRIALS
from results.store.store import Store
from results.store.survey import State
from results.tables import table as tables

from .conftest import OTHER, commit, content_of, evaluated, inspected, trial_of

FINISHED, MISSING = trial_of(0), trial_of(1)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from([MISSING.key, "epochs", "quiet_seconds", "wrong"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)
CONTENTS = st.one_of(
    st.binary(max_size=20),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"epochs": JSON, "quiet_seconds": JSON}).map(
        lambda run: json.dumps({MISSING.key: run}).encode()
    ),
    JSON.map(lambda value: json.dumps({"wrong": value}).encode()),
)
NAMES = [
    *(Address.of(MISSING).path(kind) for kind in ("trials", "predictions", "epochs")),
    Address.of(MISSING).path("failures", "-1"),
    *Address.of(FINISHED, OTHER).rows,
    f"checkpoints/{MISSING.key}/000001.000000-00.pt",
    "checkpoints/x",
    "running/x.json",
    "pilots/digits/mlp/float32-cpu.parquet",
    "compacted/trials-2-00.parquet",
    "compacted/x",
    "findings/latest.json",
    "trials/digits/mlp/brier/\udcff.parquet",
    "trials/digits/mlp/a\nb/\x1b[2J.parquet",
    "trials",
    "failures/digits/mlp/brier/ä-1.parquet",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(str(tmp_path_factory.mktemp("whole")))
    commit(made, FINISHED)
    yield made


def read_all(store: Store) -> pd.DataFrame:
    """Everything that `plan`, `status` and `tables` ask of a store; what is finished stays so."""
    trials = [FINISHED, MISSING]
    snapshot = store.snapshot(trials, thorough=True)
    survey = store.survey(trials)
    mending(store, trials).added_to(survey)
    running.overlaid(survey, running.running(store))
    pilots.kept(store)
    assert survey.states[FINISHED.key] == State.DONE and survey.states[MISSING.key] != State.DONE
    pd.testing.assert_frame_equal(snapshot.trials(), store.trials())
    everything = store.trials()
    store.snapshot().evaluations()
    tables.build(everything)
    return everything


@pytest.mark.slow
@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(NAMES), CONTENTS, st.booleans())
@example("running/x.json", b"7", False)
@example("running/x.json", b"[" * 10_000, False)
@example("findings/latest.json", b"", True)
@example("trials/digits/mlp/brier/\udcff.parquet", b"", False)
@example(Address.of(MISSING).path("trials"), b"", True)
def test_no_file_in_a_store_breaks_a_command(
    whole: Store, name: str, content: bytes, is_folder: bool
) -> None:
    expected, before = read_all(whole), content_of(whole)
    path = Path(whole.folder.root) / name
    if path.is_dir():
        path = path / "x"
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        path.mkdir()
        path = path / "x.parquet"
    path.write_bytes(content)
    try:
        pd.testing.assert_frame_equal(read_all(whole), expected)
        relative = str(path.relative_to(whole.folder.root))
        found = {finding.path for finding in inspected(whole).findings}
        is_word = relative == "running/x.json" and _is_word(content)
        assert relative in found or relative.startswith("findings/") or is_word, found
    finally:
        path.unlink()
        for folder in path.parents:
            if folder == Path(whole.folder.root) or any(folder.iterdir()):
                break
            folder.rmdir()
    assert content_of(whole) == before


def _is_word(content: bytes) -> bool:
    try:
        running.read(content)
    except ValueError:
        return False
    return True


def altered(content: bytes, **columns: Any) -> bytes:
    """A Parquet file with columns in place of, or beside, its own; None takes one away."""
    table = pq.read_table(io.BytesIO(content))
    for name, value in columns.items():
        if name in table.schema.names:
            table = table.drop_columns([name])
        if value is not None:
            table = table.append_column(name, pa.array([value] * table.num_rows))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


OTHER_COLUMNS: list[dict[str, Any]] = [
    {"key": None},
    {"key": "0123"},
    {"seed": "1"},
    {"loss": 3},
    {"source_size": None},
    {"scores.test_ece": "much"},
    {"measurements.training_seconds": "much"},
    {"provenance.host": 7},
]


@pytest.mark.slow
def test_a_copy_of_rows_with_other_columns_is_not_read(store: Store) -> None:
    commit(store, FINISHED, trial_of(2))
    expected = read_all(store)
    store.compact()
    (whole,) = store.folder.list(copies.FOLDER)
    content = store.folder.read(whole.path)
    assert store.snapshot().rows(TRIALS).loose == 0
    for columns in OTHER_COLUMNS:
        for info in store.folder.list(copies.FOLDER):
            store.folder.delete(info.path)
        forged = altered(content, **columns)
        path = copies.path("trials", forged)
        store.folder.write(path, forged)
        pd.testing.assert_frame_equal(read_all(store), expected)
        assert store.snapshot().rows(TRIALS).loose == 2, columns
        assert [finding.path for finding in inspected(store).findings] == [path], columns
    assert store.compact() == 2 and store.snapshot().rows(TRIALS).loose == 0


@pytest.mark.parametrize("columns", [{"message": None}, {"message": 7}, {"attempt": 2}, {"key": "0123"}])
def test_a_failure_with_other_columns_is_a_damaged_one(store: Store, columns: dict[str, Any]) -> None:
    commit(store, FINISHED)
    store.record_failure(MISSING, "preempted", "its node died", "", "here")
    path = Address.of(MISSING).path("failures", "-1")
    store.folder.write(path, altered(store.folder.read(path), **columns))
    read_all(store)
    surveyed = store.survey([MISSING])
    assert not surveyed.failures and surveyed.damaged == {MISSING.key: (path,)}
    assert [finding.path for finding in inspected(store).findings] == [path]


@pytest.mark.parametrize("columns", [{"seconds_per_epoch": "1"}, {"occurred": None}])
def test_a_pilot_with_other_columns_is_passed_over(store: Store, columns: dict[str, Any]) -> None:
    commit(store, FINISHED)
    pilots.keep(store, Pilot("digits", "mlp", "float32", 1.0, "cpu", 0.1, "2026-01-01"))
    path = "pilots/digits/mlp/float32-cpu.parquet"
    assert len(pilots.kept(store)) == 1
    store.folder.write(path, altered(store.folder.read(path), **columns))
    assert pilots.kept(store) == []
    assert [finding.path for finding in inspected(store).findings] == [path]


def test_scores_without_a_trial_are_ignored(store: Store) -> None:
    commit(store, FINISHED)
    path = evaluated(store, FINISHED)
    store.folder.write(path, altered(store.folder.read(path), trial_key="0123"))
    assert store.snapshot().evaluations()["evaluation"].tolist() == [TEST]


@pytest.mark.parametrize("how", ["copied", "linked", "linked up", "copied and damaged"])
def test_rows_that_lie_elsewhere_too_count_once(store: Store, how: str) -> None:
    commit(store, FINISHED)
    evaluated(store, FINISHED)
    expected, root = read_all(store), Path(store.folder.root)
    listed = [info.path for info in store.folder.list("")]
    for kind in ("trials", "predictions", "evaluations"):
        if how == "linked up":
            (root / kind / "digits" / "mlp" / "up").symlink_to("..")
        elif how == "linked":
            (root / kind / "other").symlink_to("digits")
        else:
            shutil.copytree(root / kind / "digits" / "mlp", root / kind / "digits" / "mlp" / "kept")
    if how == "copied and damaged":
        for path in root.glob("*/digits/mlp/kept/brier/*.parquet"):
            path.write_bytes(b"x")
    pd.testing.assert_frame_equal(read_all(store), expected)
    assert len(store.snapshot().evaluations()) == 2
    assert store.compact() == 1
    assert store.survey([FINISHED]).damaged == {}
    found = inspected(store).findings
    if how == "linked up":
        assert [info.path for info in store.folder.list("") if "compacted" not in info.path] == listed
        assert found == []
    elif how != "copied and damaged":
        assert len(found) == 4 and not any(finding.kind.wrong for finding in found)


@pytest.mark.parametrize(
    "name", ["findings/latest.json", "running/x.json", Address.of(MISSING).path("trials")]
)
def test_endless_input_is_not_read(store: Store, name: str) -> None:
    commit(store, FINISHED)
    expected, path = read_all(store), Path(store.folder.root) / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/dev/zero")
    pd.testing.assert_frame_equal(read_all(store), expected)
    path.unlink()
    os.mkfifo(path)
    pd.testing.assert_frame_equal(read_all(store), expected)
    with pytest.raises(FileNotFoundError):
        store.folder.read(name)


@pytest.mark.parametrize("folder", ["tmp", "running", f"checkpoints/{FINISHED.key}"])
def test_the_target_of_a_link_is_not_tidied_away(store: Store, tmp_path: Path, folder: str) -> None:
    commit(store, FINISHED)
    for name in ("thesis.tex", "package.json", "weights.pt"):
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / name).write_bytes(b"x")
        os.utime(tmp_path / "home" / name, (0, 0))
    link = Path(store.folder.root) / folder
    link.parent.mkdir(exist_ok=True)
    if link.is_dir():
        link.rmdir()
    link.symlink_to(tmp_path / "home")
    store.folder.delete_stale_temporaries()
    running.withdraw(store)
    checkpoints = StoredCheckpoints(store)
    assert list(checkpoints.load(FINISHED.key)) == [] and checkpoints.passed_over == []
    checkpoints.forbid(FINISHED.key)
    assert {path.read_bytes() for path in (tmp_path / "home").iterdir()} == {b"x"}
    assert len(list((tmp_path / "home").iterdir())) == 3
    assert store.survey([FINISHED]).leftover == ()
    assert {finding.kind for finding in inspected(store).findings} == {FOREIGN}
