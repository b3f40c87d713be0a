"""The results that docs/results.md shows, made again from the stores they were recorded in."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from results.scoring.layer import Scorer
from results.scoring.rescoring import Incomplete, Missing, scores
from results.store.address import TEST, Address
from results.store.store import Store
from results.store.survey import State
from results.tables import names
from sweeps.expand import load

from .conftest import scores_that_differ

RECORDED = {"sst": "sst-tree-lstm", "twenty_newsgroups_part": "20-newsgroups-cnn"}
"""Sweep and folder."""

LONG_TAILED = {"tables_lt": "tables-lt", "cifar10_lt_small": "cifar10-lt-small"}

SMALL = {"cifar10_small": "cifar10-small"}


def test_the_page_is_what_the_recorded_stores_say(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "docs/results_page.py"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout == (repository / "docs/results.md").read_text(encoding="utf-8"), (
        "if this is meant: .venv/bin/python docs/results_page.py > docs/results.md"
    )
    linked = re.findall(r"\]\((pictures/[^)]+|reports/[^)]+)\)", done.stdout)
    assert len(linked) == 7 and all((repository / "docs" / name).is_file() for name in linked)


def test_which_number_compares_temperatures_as_recorded(repository: Path) -> None:
    trials = Store(str(repository / "results/recorded/sst-tree-lstm")).trials()
    means = trials.groupby("loss")[["test_ece_after_nll", "test_ece_after_ece"]].mean()
    by_nll, by_ece = 100 * means.mean()
    lower = (means["test_ece_after_nll"] < means["test_ece_after_ece"]).sum()
    text = " ".join((repository / "docs/which-number.md").read_text(encoding="utf-8").split())
    assert f"for {lower} of {len(means)} losses**, on average {by_nll:.2f}% instead of {by_ece:.2f}%" in text


def test_the_page_of_searches_shows_the_recorded_means(repository: Path) -> None:
    text = (repository / "docs/search.md").read_text(encoding="utf-8").partition("searches on SST")[2]
    fixed, found = (
        Store(str(repository / "results/recorded" / folder))
        .trials()
        .groupby(["loss", "seed"])
        .mean(numeric_only=True)
        for folder in ("sst-tree-lstm", "sst-searches")
    )
    for searched, usual in (("focal(gamma=1.707)", "focal_3"), ("adafocal(lambda_=1.252)", "adafocal")):
        for column in ("nll_after_ece", "ece", "ece_after_ece", "error"):
            # Not the seed of the search.
            means = [
                100 * frame.loc[loss].loc[range(5)][f"test_{column}"].mean()
                for frame, loss in ((found, searched), (fixed, usual))
            ]
            assert f" | {means[0]:.2f} | {means[1]:.2f} | found is " in text, (searched, column)


@pytest.mark.parametrize(("sweep", "folder"), RECORDED.items())
def test_the_report_pages_show_the_recorded_scores(repository: Path, sweep: str, folder: str) -> None:
    text = (repository / "docs/reports" / f"{sweep}.html").read_text(encoding="utf-8")
    shown = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    rows = Store(str(repository / "results/recorded" / folder)).trials().set_index("key")
    trials = {trial["key"]: trial for cell in shown["cells"] for trial in cell["trials"]}
    assert {*trials} == {*rows.index}
    for place, column in enumerate(shown["columns"]):
        name = shown["metrics"][column["metric"]]["name"] + "_after_ece" * (column["scaling"] == "after")
        for key, trial in trials.items():
            assert trial["scores"][place] == pytest.approx(100 * rows.loc[key, f"test_{name}"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sweep", "folder", "step"),
    [
        *((*place, 1) for place in RECORDED.items()),
        *((*place, 7) for place in {**LONG_TAILED, **SMALL}.items()),
    ],
)
def test_each_trial_is_one_of_its_sweep_and_its_scores_follow_from_its_logits(
    repository: Path, sweep: str, folder: str, step: int
) -> None:
    """The scores of one trial in `step`."""
    trials = load(sweep).trials
    store = Store(str(repository / "results/recorded" / folder))
    survey = store.survey(trials)
    assert not survey.damaged and survey.count(State.DONE) == len(trials)
    rows = [{str(name): value for name, value in row.items()} for row in store.trials().to_dict("records")]
    assert {row["key"] for row in rows} == {trial.key for trial in trials}
    shown = rows[::step]
    assert {row["key"]: scores_that_differ(store, row) for row in shown} == {row["key"]: {} for row in shown}


@pytest.mark.slow
def test_the_gap_matrix_follows_from_the_logits(repository: Path) -> None:
    lines = pd.read_csv(repository / "docs/gaps-sst.csv", comment="#", keep_default_na=False)
    store = Store(str(repository / "results/recorded/sst-tree-lstm"))
    scorers = (
        Scorer("nll_refinement"),
        Scorer("brier_refinement"),
        Scorer("brier", "platt"),
        Scorer("nll", "structured_matrix_scaling"),
    )
    trials = store.trials()
    assert set(lines["loss"]) == set(trials["loss"]) and (lines["seeds"] == 5).all()
    for row in trials.sort_values("key").iloc[::20].to_dict("records"):
        address = Address(*(str(row[name]) for name in ("dataset", "model", "loss", "key")))
        missing = Missing(address, TEST, row["predictions_digest"], scorers)
        found = scores(store, Incomplete(address, (missing,)))
        assert not found.failed
        for scorer, values in found.lines.items():
            metric, _, part = scorer.metric.partition("_")
            quantity = part or "gain"
            (line,) = lines[
                (lines["loss"] == row["loss"])
                & (lines["metric"] == metric)
                & (lines["quantity"] == quantity)
                & (lines["calibrator"] == scorer.calibrator)
            ].to_dict("records")
            by_seed = dict(each.split(":") for each in line["by_seed"].split())
            (value,) = (each.value for each in values if each.evaluation == TEST)
            expected = row[f"test_{metric}"] - value if quantity == "gain" else value
            assert float(by_seed[str(row["seed"])]) == pytest.approx(expected, abs=1e-6)


def test_the_page_of_rare_classes_is_what_the_recorded_stores_say(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one data set, since all take a minute; of the others, the means."""
    monkeypatch.syspath_prepend(repository / "docs")
    page, read = (importlib.import_module(f"imbalance_{name}") for name in ("page", "forms"))
    text = (repository / "docs/imbalance-results.md").read_text(encoding="utf-8")
    forms, trials = read.forms_of("tables_lt", only="wine")
    assert len(forms) == 2 and len(trials) == 5 * (2 * 18 + 3)
    macros = page.environment().get_template("imbalance-form.md.j2")
    shown = macros.make_module({"columns": read.SCORES, "after": read.AFTER})
    for made in (*map(shown.form_table, forms), shown.corrected_table(forms)):
        lines = [line for line in made.splitlines() if "Wine" in line or line.startswith("| FL-3")]
        assert lines and all(line in text for line in lines), (
            "if this is meant: .venv/bin/python docs/imbalance_page.py > docs/imbalance-results.md"
        )
    for sweep, folder in LONG_TAILED.items():
        rows = Store(str(repository / "results/recorded" / folder)).trials().set_index("key")
        by_cell: dict[tuple[str, str], list[str]] = {}
        for trial in load(sweep).trials:
            by_cell.setdefault((trial.dataset.label, read.method_of(trial)), []).append(trial.key)
        for (_, method), keys in by_cell.items():
            assert f"\n| {names.loss(method)} | {100 * rows.loc[keys, 'test_error'].mean():.2f}" in text


@pytest.mark.slow
def test_the_page_of_the_small_network_is_what_the_recorded_store_says(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but its table, whose noise floors take half a minute; of it, the means."""
    monkeypatch.syspath_prepend(repository / "docs")
    page = importlib.import_module("small_network_page")
    text = (repository / "docs/cifar10-small.md").read_text(encoding="utf-8")
    head, heading, rest = text.partition("### CIFAR-10 / Small CNN")
    table, section, tail = rest.partition("## Is each loss")
    given = SimpleNamespace(render=lambda format: (heading + table).removesuffix("\n"))
    monkeypatch.setattr(page, "tables", lambda *_, **__: given)
    assert page.page().rstrip() + "\n" == text, (
        "if this is meant: .venv/bin/python docs/small_network_page.py > docs/cifar10-small.md"
    )
    assert head and section and tail
    trials = Store(str(repository / "results/recorded/cifar10-small")).trials()
    means = 100 * trials.groupby("loss")["test_error"].mean()
    assert len(means) == 13
    for loss, mean in means.items():
        assert re.search(rf"\n\| {re.escape(names.loss(str(loss)))} +\| +\*{{0,2}}{mean:.2f}", table)
