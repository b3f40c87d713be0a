"""Rows of other versions are read if they are older, refused by name if they are newer, and never moved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.use_cases.tables import tables
from orchestrator.use_cases.verify import verify
from results.store import copies, finding, mending, rows, snapshot
from results.store.address import Address
from results.store.errors import StoreError
from results.store.file_info import FileInfo
from results.store.store import Store
from results.store.survey import State
from results.tables.table import FORMATS, build
from sweeps.expand import Sweep, load

from .conftest import OTHER, commit, content_of, evaluated, falsified, inspected, path_of, trial_of

REPOSITORY = Path(__file__).parents[2]
COMMITTED = {
    "results/recorded/sst-tree-lstm": ("sst", 65),
    "results/recorded/20-newsgroups-cnn": ("twenty_newsgroups_part", 2),
    "tests/golden/store": (REPOSITORY / "tests/golden/store.yaml", 29),
    "tests/golden/first_evaluations/store": (REPOSITORY / "tests/golden/first_evaluations/sweep.yaml", 4),
}
"""Each store that was ever committed in this repository: its sweep, and how many of its trials are done."""

TOMORROW = pa.field("energy_kwh", pa.float64())
"""A column that no version has yet."""


@pytest.fixture(params=COMMITTED)
def committed(request: pytest.FixtureRequest) -> Iterator[tuple[Store, Sweep, int]]:
    sweep, done = COMMITTED[request.param]
    store = Store(str(REPOSITORY / request.param))

    def committed() -> dict[str, FileInfo]:
        # Tables may keep evidence in this folder, which git ignores.
        return {each.path: each for each in store.folder.list("") if not each.path.startswith("rescored/")}

    before = committed()
    yield store, load(sweep), done
    assert committed() == before


def check(store: Store, sweep: Sweep, done: int) -> None:
    found = store.survey(sweep.trials)
    assert (found.count(State.DONE), found.damaged) == (done, {})
    frame = store.trials(sweep.trials)
    assert len(frame) == done and not frame.attrs["damaged"]
    printed = tables(store.uri)
    assert not printed.damaged and all(printed.render(format) for format in FORMATS)
    # As many seeds are in the tables as were committed.
    assert sum(cell.seeds for row in build(frame)[0].rows for cell in row.cells if cell) == 2 * done


def test_each_committed_store_is_read(
    committed: tuple[Store, Sweep, int],
) -> None:
    check(*committed)


def test_a_version_with_one_more_column_reads_each_committed_store(
    committed: tuple[Store, Sweep, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "SCHEMA", rows.SCHEMA.append(TOMORROW))
    monkeypatch.setattr(rows, "NULLABLE", rows.NULLABLE | {TOMORROW.name})
    check(*committed)


def altered(content: bytes, **values: Any) -> bytes:
    """A row with other values and columns, that is whole."""
    table = rows.from_parquet(content)
    schema = table.schema
    for name, value in values.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.scalar(value).type))
    (row,) = table.to_pylist()
    return rows.to_parquet(rows._sealed({**row, **values}, schema))


TRIAL = dataclasses.replace(trial_of(3), evaluations=(OTHER,))


def alter(store: Store, path: str, **values: Any) -> bytes:
    store.folder.write(path, content := altered(store.folder.read(path), **values))
    return content


def values(store: Store) -> pd.DataFrame:
    return store.trials().drop(columns="row_digest")


def test_a_row_with_a_column_of_a_later_version_counts_and_keeps_it(store: Store) -> None:
    commit(store, TRIAL, trial_of(4))
    row, of_other = path_of(store, TRIAL, "trials"), evaluated(store, TRIAL)
    expected = values(store)
    for path in (row, of_other):
        alter(store, path, energy_kwh=0.25, notes=["a", None])
    pd.testing.assert_frame_equal(values(store), expected)
    standing = store.survey([TRIAL, trial_of(4)])
    assert standing.count(State.DONE) == 2 and not standing.damaged
    assert not inspected(store).wrong
    assert store.predictions(Address.of(TRIAL)).num_rows

    # A copy has the columns known today, and the file of the row has them all.
    assert store.compact() == 2
    pd.testing.assert_frame_equal(values(store), expected)
    store.folder.write(row, falsified(store.folder.read(row)))
    found = inspected(store)
    assert [each.kind for each in found.findings] == [finding.DIFFERING]
    mending.keep(found)
    mending.mend(store, store.survey([TRIAL]), mending.mending(store, [TRIAL]))
    (mended,) = rows.from_parquet(store.folder.read(row)).to_pylist()
    assert (mended["energy_kwh"], mended["notes"]) == (0.25, ["a", None])
    assert not inspected(store).wrong


def test_a_score_that_this_version_does_not_know_or_that_a_row_lacks_is_no_difference(store: Store) -> None:
    commit(store, TRIAL)
    row = path_of(store, TRIAL, "trials")
    table = rows.from_parquet(store.folder.read(row))
    scores = {**dict(table["scores"][0].as_py()), "test_of_tomorrow": 0.5}
    del scores["test_brier"]
    store.folder.write(row, rows.to_parquet(rows.rescored(table, scores, {})))
    assert not inspected(store).findings
    assert store.trials()["test_of_tomorrow"].tolist() == [0.5]


def test_a_bit_of_an_unknown_column_is_damage_like_any_other(store: Store) -> None:
    commit(store, TRIAL)
    row = path_of(store, TRIAL, "trials")
    content = alter(store, row, notes="written tomorrow")
    store.folder.write(row, content.replace(b"written tomorrow", b"written tomorroW"))
    assert store.trials().attrs["damaged"] == [row]
    assert row in store.survey([TRIAL]).damaged[TRIAL.key]


def test_a_record_of_a_failure_with_a_later_column_counts(store: Store) -> None:
    failed = store.record_failure(TRIAL, "bug", "no", "", "here")
    path = path_of(store, TRIAL, "failures")
    table = rows.from_parquet(store.folder.read(path))
    store.folder.write(path, rows.to_parquet(table.append_column("exit_code", pa.array([9]))))
    standing = store.survey([TRIAL])
    assert (standing.failures, standing.damaged) == ({TRIAL.key: failed}, {})
    assert not inspected(store).wrong


@pytest.mark.parametrize("number", [2, 99])
@pytest.mark.parametrize("of", ["trials", "evaluations"])
def test_a_newer_format_is_refused_and_nothing_is_moved(store: Store, number: int, of: str) -> None:
    commit(store, TRIAL, trial_of(4))
    evaluated(store, TRIAL)
    path = path_of(store, TRIAL, of, OTHER if of == "evaluations" else None)
    alter(store, path, format=number, judged_by={"a": 1})
    before = content_of(store)

    def refused(command: Any, *arguments: Any) -> None:
        with pytest.raises(StoreError, match="newer calibsweep") as raised:
            command(*arguments)
        assert TRIAL.key in str(raised.value) and f"format {number}" in str(raised.value)

    refused(store.survey, [TRIAL])
    refused(tables, store.uri)
    refused(store.compact)
    if of == "trials":
        refused(store.predictions, Address.of(TRIAL))
        # Another result of the same trial gives way to it.
        assert commit(store, TRIAL) == [False]
    found = inspected(store)
    assert [(each.kind, each.path) for each in found.findings if each.kind.wrong] == [(finding.NEWER, path)]
    verified = verify(store.uri)
    assert (verified.wrong, verified.newer) == (0, 1)
    again = mending.mending(store, [TRIAL])
    assert again.inspected == (path,) and not again.damaged and not again.aside
    after = content_of(store)
    assert {name: after[name] for name in before} == before


def test_a_copy_of_trials_of_the_first_version_is_read(store: Store) -> None:
    commit(store, TRIAL, trial_of(4))
    expected = store.trials()
    store.compact()
    (info,) = store.folder.list(copies.FOLDER)
    first = rows.from_parquet(store.folder.read(info.path)).drop_columns([*rows.OF_OTHERS])
    store.folder.delete(info.path)
    store.folder.write(copies.path("trials", content := rows.to_parquet(first)), content)
    pd.testing.assert_frame_equal(store.trials(), expected)
    assert store.snapshot().rows(snapshot.TRIALS).loose == 0 and not inspected(store).findings


def test_a_copy_with_a_column_of_a_later_version_is_read(store: Store) -> None:
    commit(store, TRIAL, trial_of(4))
    expected = store.trials()
    store.compact()
    (info,) = store.folder.list(copies.FOLDER)
    later = rows.from_parquet(store.folder.read(info.path)).append_column(TOMORROW, pa.array([0.1, 0.2]))
    store.folder.delete(info.path)
    store.folder.write(copies.path("trials", content := rows.to_parquet(later)), content)
    pd.testing.assert_frame_equal(store.trials(), expected)
    assert store.snapshot().rows(snapshot.TRIALS).loose == 0 and not inspected(store).findings
