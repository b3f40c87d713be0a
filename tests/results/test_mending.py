"""What `store verify` finds wrong is kept, and the next run mends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.use_cases.verify import verify
from results.store import mending
from results.store.address import Address
from results.store.store import Store
from results.store.survey import State

from .conftest import commit, content_of, path_of, trial_of
from .spoiling import check_that_all_is_mended


@pytest.mark.slow
def test_a_run_mends_all_that_was_found(store: Store) -> None:
    check_that_all_is_mended(store)


def test_findings_of_other_sweeps_stay(store: Store) -> None:
    trials = [trial_of(seed) for seed in range(2)]
    commit(store, *trials)
    damaged = [path_of(store, trial, "epochs") for trial in trials]
    for path in damaged:
        store.folder.write(path, b"")
    assert verify(store.uri).wrong == 2
    found = mending.mending(store, trials[:1])
    assert found.inspected == (damaged[0],)
    mending.mend(store, found.added_to(store.survey(trials[:1])), found)
    assert not store.folder.exists(damaged[0]) and store.folder.exists(damaged[1])
    assert mending.mending(store, trials[:1]) == mending.Mending()
    assert mending.mending(store, trials).inspected == (damaged[1],)


@pytest.mark.parametrize("content", ["[]", "7", '{"wrong": 7}', '{"wrong": [7, null]}', "{", "hints"])
def test_intact_files_stay_whatever_a_list_says(store: Store, content: str) -> None:
    trial = trial_of()
    commit(store, trial)
    outside = "running/../../outside.json"
    store.folder.write(outside, b"not ours")
    before = content_of(store)
    if content == "hints":
        content = json.dumps({"wrong": [*before, outside, "trials/x", "/etc/passwd", "", "checkpoints"]})
    store.folder.write(mending.PATH, content.encode())
    found = mending.mending(store, [trial])
    assert not (found.damaged or found.aside or found.differing)
    survey = found.added_to(store.survey([trial]))
    mending.mend(store, survey, found)
    assert survey.states == {trial.key: State.DONE} and before.items() <= content_of(store).items()
    assert store.folder.read(outside) == b"not ours"


def test_a_store_that_refuses_the_list_is_reported(store: Store) -> None:
    commit(store, trial_of())
    store.folder.write(path_of(store, trial_of(), "epochs"), b"")
    store.folder.write(mending.FOLDER, b"a file in the way")
    verified = verify(store.uri)
    assert verified.wrong == 1 and store.folder.name(mending.FOLDER) in verified.not_recorded


def test_a_trial_whose_damaged_files_cannot_be_moved_waits_for_another_run(store: Store) -> None:
    trials = [trial_of(seed) for seed in (0, 1)]
    commit(store, *trials)
    for trial in trials:
        store.folder.write(Address.of(trial).path("trials"), b"no row")
    in_the_way = Path(store.folder.root) / "damaged"
    in_the_way.touch()
    survey = store.survey(trials)
    stuck = mending.mend(store, survey, mending.Mending())
    assert stuck.keys() == {trial.key for trial in trials} == survey.damaged.keys()
    in_the_way.unlink()
    assert mending.mend(store, store.survey(trials), mending.Mending()) == {}
    assert commit(store, *trials) == [True, True]


def test_foreign_files_are_reported_once(store: Store) -> None:
    lines: list[str] = []
    store.tidying.warn = lines.append
    folder = Path(store.folder.root) / "compacted"
    # A folder in place of a file, which cannot be deleted as one.
    (folder / "a.parquet").mkdir(parents=True)
    for _ in range(2):
        assert not store.tidying.delete(["compacted/a.parquet"])
    assert len(lines) == 1 and "compacted/a.parquet" in lines[0]
    (folder / "a.parquet").rmdir()
    (folder / "a.parquet").touch()
    assert store.tidying.delete(["compacted/a.parquet"]) and len(lines) == 1
    # Nor is an empty folder left.
    assert not folder.exists()
