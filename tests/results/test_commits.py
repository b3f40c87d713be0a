"""Commits, checkpoints and the compacted copy under kills, races and damage."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from results.scoring.commit import epochs_table
from results.store import rows
from results.store.address import Address
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.snapshot import TRIALS
from results.store.store import Store
from results.store.survey import State

from .conftest import arguments_of_commit, commit, content_of, trial_of

Start = Callable[..., "subprocess.Popen[str]"]

COMMIT_ALL = """
from results.store.store import Store
store, commits = Store(arguments[0]), arguments[1]
for each in commits:
    if store.commit(**each):
        print("committed", flush=True)
"""


def whole_and_equal(store: Store, expected: dict[str, bytes]) -> None:
    """Each file that is there, half-written ones aside, is a whole one with the right bytes."""
    for path, content in content_of(store).items():
        if not path.startswith("tmp/"):
            assert content == expected[path], path


@pytest.mark.slow
def test_a_kill_in_a_commit_leaves_all_or_nothing(store: Store, tmp_path: Path, start: Start) -> None:
    trials = [trial_of(seed) for seed in range(60)]
    commits = [arguments_of_commit(trial) for trial in trials]
    undisturbed = Store(str(tmp_path / "undisturbed"))
    begun = time.monotonic()
    for each in commits:
        undisturbed.commit(**each)
    duration = time.monotonic() - begun
    expected = content_of(undisturbed)

    moments = random.Random(0)
    found = set()
    for _ in range(8):
        process = start(COMMIT_ALL, (store.uri, commits))
        assert process.stdout
        # Commits are counted, not timed: how long one takes changes with what else the machine does.
        for _ in range(moments.randint(1, 5)):
            process.stdout.readline()
        time.sleep(moments.uniform(0, duration / len(trials)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        whole_and_equal(store, expected)
        survey = store.survey(trials)
        assert not survey.damaged
        found.add(survey.count(State.DONE))
    assert len(found) > 3, "the kills were all too early or too late to show anything"

    process = start(COMMIT_ALL, (store.uri, commits))
    assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    whole_and_equal(store, expected)
    assert store.survey(trials).count(State.DONE) == len(trials)


@pytest.mark.slow
def test_writers_of_one_store_at_once_do_no_harm(store: Store, tmp_path: Path, start: Start) -> None:
    trials = [trial_of(seed) for seed in range(30)]
    commits = [arguments_of_commit(trial) for trial in trials]
    alone = Store(str(tmp_path / "alone"))
    for each in commits:
        alone.commit(**each)
    processes = [start(COMMIT_ALL, (store.uri, commits)) for _ in range(4)]
    for process in processes:
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    assert content_of(store) == content_of(alone)


SAVE_AND_DELETE = """
from results.store.checkpoints import StoredCheckpoints
from results.store.store import Store
store = Store(arguments[0])
checkpoints = StoredCheckpoints(store)
for number in range(400):
    checkpoints.save("a" * 20, number, b"state %d" % number)
    checkpoints.delete("a" * 20)
    for state in checkpoints.load("a" * 20):
        assert state.startswith(b"state")
"""


def test_checkpoints_saved_and_deleted_by_two_at_once_stop_neither(store: Store, start: Start) -> None:
    # A trial's folder is deleted when it is empty, in the very moment when the other has made it.
    processes = [start(SAVE_AND_DELETE, (store.uri,)) for _ in range(2)]
    for process in processes:
        assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    StoredCheckpoints(store).delete("a" * 20)
    assert not Path(store.folder.root, "checkpoints").exists()


def test_the_latest_whole_checkpoint_is_the_one_to_go_on_from(store: Store) -> None:
    trial = trial_of()
    checkpoints = StoredCheckpoints(store)
    assert list(checkpoints.load(trial.key)) == []
    checkpoints.save(trial.key, 9, b"nine")
    (first,) = content_of(store)
    checkpoints.save(trial.key, 10, b"ten")
    (second,) = content_of(store)
    assert "000010.000000-" in second and list(checkpoints.load(trial.key)) == [b"ten"]
    # A kill between the two steps of `save` leaves both.
    store.folder.write(first, b"nine")
    assert list(checkpoints.load(trial.key)) == [b"ten", b"nine"]
    store.folder.write(second, b"te")
    assert list(checkpoints.load(trial.key)) == [b"nine"]
    assert content_of(store)[f"damaged/{second}"] == b"te"
    assert store.survey([trial]).states[trial.key] == State.INTERRUPTED

    commit(store, trial)
    survey = store.survey([trial, trial_of(1)])
    assert survey.states[trial.key] == State.DONE and survey.leftover == (trial.key,)
    checkpoints.delete(trial.key)
    assert store.survey([trial]).leftover == ()
    assert not (Path(store.folder.root) / "checkpoints").exists()


# The compacted copy


def test_the_compacted_copy_changes_no_number(store: Store) -> None:
    trials = [trial_of(seed, loss) for seed in range(4) for loss in ("brier", "mmce")]
    commit(store, *trials[:5])
    assert store.compact() == 5
    pd.testing.assert_frame_equal(store.trials(), fresh(store), check_exact=True)
    assert loose(store) == 0

    # What came later is read beside it, what was altered is read again, what is gone is gone.
    commit(store, *trials[5:])
    altered, gone = (Address.of(trial).path("trials") for trial in trials[:2])
    store.folder.write(altered, store.folder.read(altered)[:-1])
    store.folder.delete(gone)
    frame = store.trials()
    assert frame.attrs["damaged"] == [altered] and loose(store) == 4
    assert set(frame["key"]) == {trial.key for trial in trials[2:]}
    pd.testing.assert_frame_equal(frame, fresh(store), check_exact=True)
    assert store.compact() == 6
    assert len(list(store.folder.list("compacted"))) == 1
    pd.testing.assert_frame_equal(store.trials(), frame, check_exact=True)

    # Itself damaged, it counts for nothing.
    (copy,) = store.folder.list("compacted")
    content = bytearray(store.folder.read(copy.path))
    content[len(content) // 2] ^= 1
    store.folder.write(copy.path, bytes(content))
    assert loose(store) == 7
    pd.testing.assert_frame_equal(store.trials(), frame, check_exact=True)


def test_many_rows_that_were_read_one_by_one_are_copied(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("results.store.store.COPIED_FROM", 3)
    first = [trial_of(seed, loss) for seed in range(2) for loss in ("brier", "mmce")]
    second = [trial_of(seed, "mmce", "small_cnn") for seed in range(3)]
    commit(store, *first, *second[:2])
    few = store.snapshot(second)
    few.evaluations()
    assert store.copy_loose(few) == 2 and loose(store) == 6

    # Each copy holds what the one before it held, of other networks too.
    many = store.snapshot(first)
    many.evaluations()
    assert store.copy_loose(many) == 0 and loose(store) == 2
    commit(store, second[2])
    later = few.again()
    later.evaluations()
    with monkeypatch.context() as patch:

        def refused(*_: object, **__: object) -> bool:
            raise StoreError("read-only")

        patch.setattr(store.folder, "write", refused)
        assert store.copy_loose(later) == 3
    assert store.copy_loose(later) == 0 and loose(store) == 0
    assert len(list(store.folder.list("compacted"))) == 1
    pd.testing.assert_frame_equal(store.trials(), fresh(store), check_exact=True)


def test_commits_copy_rows_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.store.store.ONE_IN", 2)
    monkeypatch.setattr("results.store.store.COPIED_BY_COMMITS_FROM", 3)
    trials = [trial_of(seed, loss) for seed in range(6) for loss in ("brier", "mmce")]
    looks, left = 0, []
    for trial in trials:
        commit(store, trial)
        looks += int(trial.key[:8], 16) % 2 == 0
        left.append(loose(store))
    # Some commits look and others do not, and each copy takes all rows that are loose.
    assert 0 < looks < len(trials) and 0 in left[2:] and max(left) >= 3
    assert len(list(store.folder.list("compacted"))) == 1
    pd.testing.assert_frame_equal(store.trials(), fresh(store), check_exact=True)

    # The trial is committed, whatever happens to the copy.
    def refused(*_: object, **__: object) -> pd.DataFrame:
        raise StoreError("gone")

    monkeypatch.setattr("results.store.store.ONE_IN", 1)
    monkeypatch.setattr("results.store.snapshot.Snapshot.evaluations", refused)
    assert store.commit(**arguments_of_commit(trial_of(7)))


def loose(store: Store) -> int:
    """How many rows are in no copy."""
    return store.snapshot().rows(TRIALS).loose


def fresh(store: Store) -> pd.DataFrame:
    """The same rows from the one-row files alone."""
    hidden = [(info.path, store.folder.read(info.path)) for info in store.folder.list("compacted")]
    for path, _ in hidden:
        store.folder.delete(path)
    frame = store.trials()
    for path, content in hidden:
        store.folder.write(path, content)
    return frame


COMPACT = """
from results.store.store import Store
while True:
    Store(arguments[0]).compact()
    print("again", flush=True)
"""


@pytest.mark.slow
def test_a_killed_compaction_harms_nothing(store: Store, start: Start) -> None:
    trials = [trial_of(seed) for seed in range(12)]
    commit(store, *trials)
    expected = store.trials()
    moments = random.Random(1)
    for _ in range(5):
        process = start(COMPACT, (store.uri,))
        assert process.stdout and process.stdout.readline() == "again\n"
        # Something new each time, so that there is something to write.
        commit(store, trial_of(0, f"focal_{moments.randint(1, 3)}"))
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
        frame = store.trials()
        kept = frame[frame["loss"] == "brier"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, expected, check_exact=True)
        assert not frame.attrs["damaged"]
    assert store.compact() == len(store.trials())
    assert len(list(store.folder.list("compacted"))) == 1


def test_curves_of_an_earlier_version_have_no_number_of_a_later_measure() -> None:
    # A trial that resumed from that version's checkpoint.
    later = {"later": 0.5, "bins": [[3.0, 1.0], [0.5, 0.25], [2.0, 0.0]]}
    table = epochs_table([{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.0, **later}])
    again = rows.from_parquet(rows.to_parquet(table))
    assert again.to_pylist() == [
        {"epoch": 0, "loss": 2.0, "later": None, "bins": None},
        {"epoch": 1, "loss": 1.0, **later},
    ]
