"""A sampler is a method beside the losses: in a row of a table, a gap matrix and a report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.use_cases.figures import figures
from orchestrator.use_cases.gaps import gaps
from orchestrator.use_cases.report import page_of
from orchestrator.use_cases.rescore import rescore
from orchestrator.use_cases.standing import Standing
from orchestrator.use_cases.tables import built, tables
from results.figures.reading import cells_of
from results.store.store import Store
from results.tables import names
from results.tables.methods import by_method
from sweeps.expand import expected_frame, load

from .conftest import commit

SWEEP = """
name: sampled
seeds: [0, 1, 2]
blocks:
  - datasets: [digits]
    models: [mlp]
    losses: [brier, cross_entropy]
  - datasets: [digits]
    models: [mlp]
    losses: [cross_entropy]
    samplers: [class_balanced, smote: {neighbours: 3}]
"""
METHODS = ("cross_entropy", "brier", "cross_entropy + class_balanced", "cross_entropy + smote(neighbours=3)")


@pytest.fixture
def sweep(store: Store, tmp_path: Path) -> Path:
    """A sweep of which all trials but one are in the store."""
    file = tmp_path / "sampled.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    trials = load(str(file)).trials
    missing = next(trial for trial in trials if trial.sampler.label == "class_balanced" and trial.seed == 2)
    commit(store, *(trial for trial in trials if trial != missing))
    return file


def test_tables_have_one_row_with_a_method_for_each_sampler(store: Store, sweep: Path) -> None:
    for name in (str(sweep), None):
        for table in tables(store.uri, name, metrics=["ece", "error"]).on_test_set:
            (row,) = table.rows
            assert table.losses == METHODS and row.settings == ""
            seeds = [cell.seeds for cell in row.cells[:: len(table.scalings)] if cell]
            assert seeds == [3, 3, 2, 3]
            assert not any("sampler" in note for note in table.notes)
    trials = store.trials()
    means = trials[trials["identity"].str.contains('"smote"')]["test_error"].mean()
    (error,) = tables(store.uri, metrics=["error"]).on_test_set
    assert error.rows[0].cells[-1].mean == pytest.approx(means)


def test_gap_matrices_and_reports_have_them_too(store: Store, sweep: Path) -> None:
    rescore(store.uri, ["nll_refinement", "brier_refinement"], ["none"])
    rescore(store.uri, ["nll", "brier"], ["temperature_nll"])
    for matrix in gaps(store.uri, str(sweep)).matrices:
        assert tuple(line.loss for line in matrix.lines) == METHODS
    loaded = load(str(sweep))
    standing = Standing(loaded, store)
    page = page_of(store, standing.snapshot, loaded, built(standing), "calibsweep report sampled.yaml")
    assert len(page.networks) == 1
    shown = {page.losses[cell.loss].name: {trial.key for trial in cell.trials} for cell in page.cells}
    expected = {names.loss(method): set[str]() for method in METHODS}
    labelled = by_method(store.trials())
    for label, key in zip(labelled["loss"], labelled["key"], strict=True):
        expected[names.loss(label)].add(key)
    assert shown == expected and sum(map(len, shown.values())) == 11


def test_figures_have_them_too(store: Store, sweep: Path, tmp_path: Path) -> None:
    trials = load(str(sweep)).trials
    snapshot, expected = store.snapshot(trials), expected_frame(trials)
    (cell,) = cells_of(store, snapshot, expected)
    assert tuple(cell.by_loss) == METHODS and cell.settings == ""
    assert [len(found) for found in cell.by_loss.values()] == [3, 3, 2, 3]
    (cell,) = cells_of(store, snapshot, expected, ["cross_entropy"])
    assert tuple(cell.by_loss) == tuple(method for method in METHODS if method != "brier")
    sampled = cell.by_loss["cross_entropy + class_balanced"][0]
    assert len(sampled.parts["test"].labels) > 0 and not sampled.curves.empty
    drawn = figures(str(sweep), store.uri, ["reliability", "ece_and_error"], folder=tmp_path / "figures")
    assert sum("smote" in drawn_file.file.name for drawn_file in drawn.files) == 1


def test_the_sampler_of_a_plug_in_that_is_not_loaded_keeps_its_name() -> None:
    identity = {"sampler": {"name": "hardest", "params": {"share": 0.5, "of": "class"}, "version": 1}}
    frame = pd.DataFrame({"loss": ["brier", "mmce"], "identity": [json.dumps(identity), "{}"]})
    assert by_method(frame)["loss"].tolist() == ["brier + hardest(share=0.5,of=class)", "mmce"]
    assert names.loss("mmce + hardest") == "MMCE + hardest"
