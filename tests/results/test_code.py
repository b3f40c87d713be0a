"""Cells whose trials were made by code that does not compute the same are marked in all that is printed."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from results.scoring.commit import commit_result
from results.store import code
from results.store.store import Store
from results.tables import table as tables
from results.tables.screen import Screen
from results.terminal import Terminal

from .conftest import result_of, trial_of

MADE_BY = {
    **{f"source_{kind}": f"file {kind}" for kind in ("dataset", "model", "loss")},
    **{f"code_{kind}": f"text {kind}" for kind in code.KINDS},
    **{f"numbers_{kind}": "[1.0, 2.0]" for kind in code.KINDS},
    "version_torch": "2.11.0",
}
SAME_DATA = {"dataset_fingerprint": "a"}
OLD = {name: value for name, value in MADE_BY.items() if name.startswith("source_")}


def made(**other: str | None) -> dict[str, str]:
    return {name: value for name, value in {**MADE_BY, **other}.items() if value is not None}


@pytest.mark.parametrize(
    ("kind", "one", "other", "expected"),
    [
        ("loss", made(), made(), True),
        ("loss", made(), made(code_loss="another"), True),
        ("loss", made(), made(code_loss="another", numbers_loss="[1.0, 2.00001]"), True),
        ("loss", made(), made(code_loss="another", numbers_loss="[1.0, 2.001]"), False),
        ("loss", made(), made(code_loss="another", numbers_loss=None), False),
        ("loss", made(), made(code_model="another", numbers_model="[3.0]"), True),
        ("training", made(), made(code_training="another", numbers_training="[3.0]"), False),
        # Another torch may compute something else with the same text.
        ("loss", made(), made(version_torch="2.13.0"), True),
        ("loss", made(), made(version_torch="2.13.0", numbers_loss="[1.0, 2.1]"), False),
        ("loss", made(), made(version_torch="2.13.0", numbers_loss=None), None),
        # Of before: the component's own file alone.
        ("loss", OLD, made(), True),
        ("loss", OLD, OLD, True),
        ("loss", OLD, made(source_loss="another"), False),
        ("training", OLD, made(), None),
        ("loss", {}, made(), None),
        # The data itself tells more than the code that makes it.
        ("dataset", made(dataset_fingerprint="a"), made(dataset_fingerprint="b"), False),
        ("dataset", OLD | SAME_DATA, made(source_dataset="another", **SAME_DATA), True),
    ],
)  # fmt: skip
def test_rows_were_made_by_the_same_code(
    kind: str, one: dict[str, str], other: dict[str, str], expected: bool | None
) -> None:
    assert code.same(kind, one, other) is expected
    assert code.same(kind, other, one) is expected


@pytest.fixture
def mixed(store: Store) -> pd.DataFrame:
    """Two cells, of which one has a trial of another loss's code; one row is of before."""
    for seed, loss, provenance in (
        (0, "brier", OLD),
        (1, "brier", made(code_loss="another", numbers_loss="[1.0, 3.0]")),
        (2, "brier", made()),
        (0, "focal_1", made()),
        (1, "focal_1", made(code_loss="another")),
        (2, "focal_1", OLD),
    ):
        assert commit_result(store, result_of(trial_of(seed, loss)), provenance)
    return store.trials()


def test_every_form_of_the_tables_marks_the_cell(mixed: pd.DataFrame) -> None:
    (cell,) = code.mixed(mixed).items()
    assert cell[0][:3] == ("digits", "mlp", "brier") and cell[1] == ["loss"]
    built = tables.build(mixed)
    note = "Digits / MLP / Brier Loss (loss)"
    for format, mark in (("md", "†"), ("html", "†"), ("latex", r"$^\dagger$")):
        text = tables.render(built, format)
        # The one or two cells of each metric, and the note of each printed table, which may have several.
        assert 1 <= text.count(note) <= len(built)
        assert text.count(mark) == sum(len(table.scalings) for table in built) + text.count(note)
    lines = list(csv.DictReader(io.StringIO(tables.render(built, "csv"))))
    assert {(line["loss"], line["mixed_code"]) for line in lines} == {("brier", "1"), ("focal_1", "0")}
    console = Terminal(width=200, record=True, file=io.StringIO())
    console.print(Screen(built))
    shown = console.export_text()
    assert note in shown and shown.count("†") > 1


def test_a_store_of_one_code_is_not_marked(mixed: pd.DataFrame) -> None:
    alike = mixed[mixed["loss"] == "focal_1"]
    assert code.mixed(alike) == {}
    text = tables.render(tables.build(alike), "csv")
    assert "mixed_code" not in text
    assert "†" not in tables.render(tables.build(alike), "md")


def test_names_are_those_of_the_sweep(mixed: pd.DataFrame) -> None:
    expected = mixed[["key", "variant", "dataset", "model", "loss", "seed", "identity"]].copy()
    expected["loss"] = expected["loss"].replace("brier", "renamed")
    ((cell, _),) = code.mixed(mixed, expected).items()
    assert cell[2] == "renamed"


def test_rows_of_before_and_of_now_are_compacted_together(mixed: pd.DataFrame, store: Store) -> None:
    before = code.mixed(mixed)
    store.compact()
    assert code.mixed(store.trials()) == before
