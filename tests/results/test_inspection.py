"""`store verify` looks at every file, tells all that it finds by kind, and changes nothing."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.use_cases.verify import verify
from results.store import finding as kinds
from results.store import pilots, pruned, running
from results.store.address import Address
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.inspection import Inspection
from results.store.pilots import Pilot
from results.store.store import Store
from results.store.survey import State

from .conftest import (
    commit,
    content_of,
    evaluated,
    falsified,
    inspected,
    one_digit_of_a_logit,
    path_of,
    trial_of,
)

TRIALS = tuple(trial_of(seed) for seed in range(5))


def message(made: Inspection) -> dict[str, list[str]]:
    return {
        kind.title: sorted({finding.path for finding in findings})
        for kind, findings in made.by_kind().items()
    }


def test_a_healthy_store_has_nothing_to_tell(store: Store) -> None:
    commit(store, *TRIALS)
    evaluated(store, TRIALS[2])
    store.record_failure(trial_of(9), "bug", "no", "", "here")
    StoredCheckpoints(store).save(trial_of(8).key, 1, b"state")
    store.compact()
    running.publish(store, "a-run", {trial_of(8).key: running.Running(1)})
    pilots.keep(store, Pilot("digits", "mlp", "float32", 1.0, "cpu", 0.1, "2026-01-01"))
    store.folder.write("tables/digits.md", b"")
    made = inspected(store)
    assert (made.findings, made.wrong, made.trials, made.others) == ([], 0, len(TRIALS), 1)


def test_findings_are_listed_by_kind_and_left_in_place(store: Store) -> None:
    commit(store, *TRIALS)
    rows_of_others = [evaluated(store, trial) for trial in TRIALS[:2]]
    predictions, epochs, trials = (
        [path_of(store, trial, kind) for trial in TRIALS] for kind in ("predictions", "epochs", "trials")
    )

    def change(path: str, to: Callable[[bytes], bytes]) -> str:
        store.folder.write(path, to(store.folder.read(path)))
        return path

    expected = {kinds.DAMAGED.title: [change(predictions[0], one_digit_of_a_logit)]}
    expected[kinds.DAMAGED.title] += [change(epochs[0], lambda content: b"")]
    store.folder.delete(epochs[1])
    expected[kinds.DAMAGED.title] += [epochs[1], change(trials[2], lambda content: content[:-9])]
    expected[kinds.DAMAGED.title] += [change(rows_of_others[1], lambda content: content[:99])]
    # A row that is whole, and false.
    expected[kinds.DIFFERING.title] = [change(trials[3], falsified)]
    store.folder.delete(trials[4])
    expected[kinds.WITHOUT_ROW.title] = [epochs[4], predictions[4]]
    store.record_failure(TRIALS[4], "bug", "no", "", "here")
    failure = Address.of(TRIALS[4]).path("failures", "-1")
    expected[kinds.DAMAGED_FAILURE.title] = [change(failure, lambda content: content[1:])]
    checkpoints = StoredCheckpoints(store)
    checkpoints.save(TRIALS[4].key, 3, b"state")
    checkpoints.save(TRIALS[0].key, 3, b"state")
    whole, leftover = (info.path for info in store.folder.list("checkpoints"))
    if TRIALS[0].key in whole:
        whole, leftover = leftover, whole
    expected[kinds.DAMAGED_CHECKPOINT.title] = [change(whole, lambda content: content + b"!")]
    expected[kinds.LEFT_OVER.title] = [leftover]
    store.compact()
    _, copy = (info.path for info in store.folder.list("compacted"))
    expected[kinds.DAMAGED_COPY.title] = [change(copy, lambda content: content[:-1])]
    stopped = pruned.keep(store, TRIALS[3], pa.table({"validation_error": [0.5, 0.25]}))
    pruned.keep(store, TRIALS[3], pa.table({"validation_error": [0.5]}))
    expected[kinds.DAMAGED_PRUNED.title] = [change(stopped, lambda content: content[:-1])]
    stale = f"running/dead-{uuid.uuid4()}.json"
    for kind, path in (
        (kinds.STALE_COPY, f"compacted/99-{'0' * 64}.parquet"),
        (kinds.DAMAGED_PILOT, "pilots/digits/mlp/float32-cpu.parquet"),
        (kinds.DAMAGED_RUNNING, "running/some-run.json"),
        (kinds.STALE_RUNNING, stale),
        (kinds.HALF_WRITTEN, f"tmp/{32 * '0'}"),
        (kinds.SET_ASIDE, "damaged/trials/digits/mlp/brier/00.parquet"),
        (kinds.FOREIGN, "trials/digits/.DS_Store"),
    ):
        store.folder.write(path, b"?")
        expected[kind.title] = [path]
    os.utime(Path(store.folder.root) / stale, (0, 0))
    before = content_of(store)

    made = inspected(store)
    assert message(made) == {title: sorted(paths) for title, paths in expected.items()}
    assert made.wrong == sum(len(paths) for paths in expected.values()) - 8
    assert (made.trials, made.others) == (2, 0), (
        "of two trials and one further evaluation the logits are whole"
    )
    assert content_of(store) == before
    # What it says of the next run is so.
    survey = store.survey(TRIALS)
    assert survey.damaged.keys() == {trial.key for trial in (*TRIALS[:3], TRIALS[4])}
    assert survey.damaged[TRIALS[4].key] == (failure,)
    assert survey.states[TRIALS[3].key] == State.DONE and survey.states[TRIALS[4].key] == State.INTERRUPTED


def test_the_command_prints_the_place_and_the_next_step(store: Store) -> None:
    def run(code: int, *options: str) -> str:
        command = ["store", "verify", "--store", store.uri, *options]
        done = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
        assert done.exit_code == code, done.output
        return done.output

    commit(store, *TRIALS)
    assert "5 trials scored again from their logits, 0 differ or are damaged." in run(0)
    store.folder.write(f"tmp/{32 * '0'}", b"")
    assert kinds.HALF_WRITTEN.follows in run(0), "nothing is wrong with what a killed run leaves"
    path = path_of(store, TRIALS[1], "epochs")
    store.folder.write(path, b"")
    output = run(1)
    assert "1 damaged results" in output and path in output and kinds.DAMAGED.follows in output
    assert kinds.HALF_WRITTEN.follows in output and "1 differ or are damaged" in output
    verified = json.loads(run(1, "--json"))
    assert (verified["trials"], verified["wrong"], verified["not_recorded"]) == (5, 1, "")
    wrong, harmless = verified["findings"]
    assert wrong["kind"]["wrong"] and wrong["path"] == store.folder.name(path)
    assert harmless["kind"]["title"] == kinds.HALF_WRITTEN.title


def test_one_file_that_cannot_be_read_does_not_end_it(store: Store) -> None:
    commit(store, *TRIALS)
    path = path_of(store, TRIALS[1], "predictions")
    store.folder.delete(path)
    (Path(store.folder.root) / path).symlink_to(Path(path).name)
    made = inspected(store)
    assert message(made) == {kinds.UNREADABLE.title: [Address.of(TRIALS[1]).path("trials")]}
    assert made.trials == len(TRIALS) - 1


def test_an_empty_store_is_not_called_healthy(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        verify(store.uri)
    Path(store.folder.root).mkdir()
    with pytest.raises(StoreError, match="is empty"):
        verify(store.uri)
    (tmp_path / "file").touch()
    for name in ("", " ", str(tmp_path / "file"), "x" * 5000, "~nobody-of-that-name/store", "a\0b"):
        with pytest.raises(StoreError, match="store"):
            verify(name)
