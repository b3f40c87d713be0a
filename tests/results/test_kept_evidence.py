"""Evidence kept in the store: the same as computed, and computed again where it does not follow any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.use_cases.rescore import rescore
from orchestrator.use_cases.tables import tables
from results.scoring.scores import chosen
from results.store.errors import StoreError
from results.store.files import Folder
from results.store.rows import from_parquet
from results.store.store import Store
from results.tables import evidence
from results.tables.evidence import Evidence, Known, Place
from results.tables.kept_evidence import KeptEvidence
from results.tables.layout import Table

from .conftest import commit, trial_of
from .test_evidence import PLACES, Predictions, stored, trials

__all__ = ["trials"]

METRICS = chosen(["ece", "nll", "mean_confidence"])
LINES = [(metric, after) for metric in METRICS for after in (False, True)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(evidence, "KEPT_FROM", 5)
    return Folder(str(tmp_path / "store"))


@pytest.fixture
def frame(trials: pd.DataFrame) -> pd.DataFrame:
    after = {f"test_{name}_after_ece": trials[f"test_{name}"] * 0.9 for name in ("nll", "mean_confidence")}
    return trials.assign(predictions_digest=[f"digest of {key}" for key in trials["key"]], **after)


class Counted:
    """Stored predictions, and the keys of those that were read."""

    def __init__(self, predictions: Predictions = stored()):  # noqa: B008
        self.read: list[str] = []
        self._predictions = predictions

    def __call__(self, keys: Sequence[str]):  # type: ignore[no-untyped-def]
        self.read += keys
        return self._predictions(keys)


def found(
    frame: pd.DataFrame, folder: Folder | None, places: Sequence[Place] = PLACES, read: Counted | None = None
) -> list[Known]:
    kept = None if folder is None else KeptEvidence(folder)
    made = Evidence(frame, read or Counted(), "temperature_ece", METRICS, kept)
    made.prepare([places])
    return [made.of_row(places, metric, after) for metric, after in LINES]


def assert_same(one: Sequence[Known], other: Sequence[Known]) -> None:
    for first, second in zip(one, other, strict=True):
        assert first.floors == second.floors and first.over_samples == second.over_samples
        # As texts, in which NaN is equal to itself.
        assert repr(first.comparison.differences) == repr(second.comparison.differences)
        for name in ("best", "tied", "known", "p_values"):
            np.testing.assert_array_equal(getattr(first.comparison, name), getattr(second.comparison, name))


def test_kept_evidence_is_the_computed_evidence_and_reads_no_logits(
    frame: pd.DataFrame, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Counted(), Counted()
    with monkeypatch.context() as patch:
        # In one thread; the others may use several.
        patch.setattr(evidence, "MOST_THREADS", 1)
        computed = found(frame, None)
    assert_same(computed, found(frame, folder, read=first))
    assert sorted(first.read) == sorted(frame["key"])
    assert_same(computed, found(frame, folder, read=second))
    assert not second.read
    (info,) = folder.list("rescored")
    assert [path.name for path in Path(folder.root).iterdir()] == ["rescored"]
    # Deleting it changes no number.
    folder.delete(info.path)
    assert_same(computed, found(frame, folder, read=second))
    assert len(second.read) == len(frame)


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        ("predictions_digest", "digest of 2", "another"),
        ("test_ece", None, 0.123),
        ("temperature_ece", 1.7, 1.8),
        ("seed", 4, 6),
    ],
)
def test_evidence_of_other_trials_is_not_used(
    frame: pd.DataFrame, folder: Folder, column: str, old: object, new: object
) -> None:
    found(frame, folder)
    read = Counted()
    changed = frame.copy()
    changed[column] = [
        new if value == old or (old is None and number == 2) else value
        for number, value in enumerate(changed[column])
    ]
    assert_same(found(changed, None), found(changed, folder, read=read))
    assert read.read
    # Of one row only the latest is kept.
    (info,) = folder.list("rescored")
    assert from_parquet(folder.read(info.path)).num_rows == len(LINES)


def test_rows_of_other_losses_are_kept_side_by_side_and_damaged_files_are_ignored(
    frame: pd.DataFrame, folder: Folder
) -> None:
    found(frame, folder)
    fewer = found(frame, folder, PLACES[1:])
    read = Counted()
    assert_same(fewer, found(frame, folder, PLACES[1:], read))
    found(frame, folder, read=read)
    assert not read.read
    (info,) = folder.list("rescored")
    content = folder.read(info.path)
    folder.write(info.path, content[:-40] + bytes(40))
    assert_same(fewer, found(frame, folder, PLACES[1:], read))
    assert read.read


def test_few_trials_those_without_logits_and_read_only_stores_leave_nothing(
    frame: pd.DataFrame, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = found(frame, folder, read=Counted(stored("5")))
    assert not any(known.over_samples for known in unread) and not [*folder.list("")]
    monkeypatch.setattr(evidence, "KEPT_FROM", len(frame) + 1)
    computed = found(frame, folder)
    assert not [*folder.list("")]
    monkeypatch.setattr(evidence, "KEPT_FROM", len(frame))

    def refused(*_: object, **__: object) -> bool:
        raise StoreError("read-only")

    monkeypatch.setattr(folder, "write", refused)
    assert_same(computed, found(frame, folder))


def test_logits_of_too_many_trials_are_read_only_by_a_thorough_command(
    frame: pd.DataFrame, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_TRIALS", len(frame) - 1)
    read = Counted()
    made = Evidence(frame, read, "temperature_ece", METRICS, KeptEvidence(folder))
    assert not made.of_row(PLACES, METRICS[0], False).over_samples
    assert made.unread and not read.read
    thorough = Evidence(frame, read, "temperature_ece", METRICS, KeptEvidence(folder), thorough=True)
    thorough.prepare([PLACES])
    assert not thorough.unread and len(read.read) == len(frame)
    again = Evidence(frame, read, "temperature_ece", METRICS, KeptEvidence(folder))
    assert again.of_row(PLACES, METRICS[0], False).over_samples
    assert not again.unread and len(read.read) == len(frame)


def test_outdated_evidence_is_deleted(frame: pd.DataFrame, folder: Folder) -> None:
    folder.write("rescored/evidence-0123/a.parquet", b"x")
    folder.write("rescored/ece-none-0123/b.parquet", b"x")
    found(frame, folder)
    left = {info.path.split("/")[1] for info in folder.list("rescored")}
    assert left == {"ece-none-0123", KeptEvidence(folder).name.split("/")[1]}


def test_rescore_keeps_the_evidence_of_any_number_of_trials(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_TRIALS", 2)
    monkeypatch.setattr(evidence, "KEPT_FROM", 3)
    commit(store, *(trial_of(seed, loss) for seed in range(2) for loss in ("brier", "mmce")))

    def printed() -> Table:
        (table,) = tables(store.uri, metrics=["nll"]).on_test_set
        return table

    before = printed()
    assert "resamples" not in before.bold and "rescore" in before.notes[-1]
    rescore(store.uri, ["ece", "nll"])
    assert "resamples" in printed().bold and printed().notes == before.notes[:-1]
    (ece,) = tables(store.uri, metrics=["ece"]).on_test_set
    assert ece.has_floors
