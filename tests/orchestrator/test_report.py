"""`calibsweep report`, and the report of a run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.use_cases import report as use_case
from orchestrator.use_cases.report import report
from orchestrator.use_cases.run import Observer, run
from results.report.again import again
from results.report.failures import failures
from results.store.store import Store
from sweeps.expand import load
from sweeps.spec import read_overrides, selected
from trainables.catalogue import DATASETS, LOSSES, MODELS, SAMPLERS
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve

from .conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"
RECORDED = REPOSITORY / "results" / "recorded"

SWEEP = """
name: few
seeds: [0, 1]
training: {epochs: 10}
blocks:
  - datasets: [digits: {training_samples: 1200}]
    models: [mlp]
    losses: [cross_entropy, focal: {gamma: 0.5}]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    (tmp_path / "few.yaml").write_text(SWEEP, encoding="utf-8")
    return str(tmp_path / "few.yaml")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A copy of the recorded trials of the sweep."""
    for kind in ("trials", "predictions", "epochs"):
        for loss in ("cross_entropy", "focal-gamma-0.5"):
            cell = Path(kind, "digits-training_samples-1200", "mlp", loss)
            shutil.copytree(GOLDEN / "store" / cell, tmp_path / "store" / cell)
    return str(tmp_path / "store")


def test_the_command_writes_one_page(tmp_path: Path, sweep: str, store: str) -> None:
    file = tmp_path / "page.html"
    words = ["report", sweep, "--store", store, "-o", str(file), "--json"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    printed = json.loads(result.stdout)
    assert result.exit_code == 0 and printed["trials"] == 4 and printed["failed"] == 0
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert printed["size"] == file.stat().st_size < 100_000


def test_a_fixed_epoch_stands_beside_the_reported_one(tmp_path: Path, sweep: str, store: str) -> None:
    file = tmp_path / "page.html"
    words = ["report", sweep, "--store", store, "-o", str(file), "--epoch", "10"]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    page = file.read_text(encoding="utf-8")
    section = page[page.index('<section id="fixed-epoch"') :].partition("</section>")[0]
    head, *lines = (
        re.findall(r"<t[hd][^>]*>([^<]*)", line) for line in re.findall(r"<tr.*?</tr>", section, re.DOTALL)
    )
    assert len(lines) == 2
    # The reported epoch is the last, the tenth.
    for metric in ("Error", "ECE pre T", "NLL pre T"):
        places = [place for place, name in enumerate(head) if name.startswith(metric)]
        for line in lines:
            reported, fixed = (line[place] for place in places)
            assert reported.replace("°", "") == fixed
    with pytest.raises(ConfigurationError, match="10 epochs"):
        report(store, sweep, tmp_path / "x.html", epoch=11)


def test_what_cannot_be_reported_is_refused(tmp_path: Path, sweep: str, store: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        report(store, None, tmp_path / "x.html", overrides=["training.epochs=3"])
    with pytest.raises(ConfigurationError, match="no table can be made"):
        report(store, sweep, tmp_path / "x.html", overrides=["training.epochs=3"])
    with pytest.raises(DataError, match="missing"):
        report(store, sweep, tmp_path / "missing" / "x.html")


def test_failures_alike_are_shown_together(tmp_path: Path, store: str, sweep: str) -> None:
    place, trials = Store(store), load(sweep, ["seeds=[0, 1, 7, 8, 9]"]).trials
    new = [trial for trial in trials if trial.seed > 6]
    for trial in new[:3]:
        place.record_failure(trial, "out of memory", "GPU memory", "Traceback", "host")
    place.record_failure(new[0], "out of memory", "GPU memory", "Traceback of the second", "host")
    place.record_failure(new[3], "diverged", "loss is NaN", "", "host")
    # A trial that is finished: this failure was before its result.
    place.record_failure(trials[0], "bug", "once", "", "host")
    done = set(place.trials()["key"])
    memory, diverged = failures(place.snapshot(), done)
    assert (memory.failure_class, len(memory.trials), memory.attempts) == ("out of memory", 3, 2)
    assert diverged.trials == (str(new[3]),)
    assert [each.failure_class for each in failures(place.snapshot(), done, {new[3].key})] == ["diverged"]
    # Without a sweep, of all trials of the store.
    made = report(store, None, tmp_path / "page.html")
    assert (made.trials, made.failed) == (6, 4)
    assert "4 failed: out of memory, diverged" in made.file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "store", [GOLDEN / "store", GOLDEN / "first_evaluations" / "store", *sorted(RECORDED.iterdir())], ids=str
)
def test_the_command_of_a_trial_gives_its_key(store: Path) -> None:
    command = app.commands["trial"]
    for row in Store(str(store)).trials().to_dict("records"):
        line = str(row["seed"]).join(again(json.loads(row["identity"]), row["protocol"], row["loss"]))
        assert line
        given: dict[str, Any] = click.Context(command).params
        with command.make_context("trial", shlex.split(line)[2:]) as context:
            given = context.params
        changes = read_overrides(list(given["overrides"]))
        trial = resolve(
            selected(DATASETS, given["dataset"], "--dataset"),
            selected(MODELS, given["model"], "--model"),
            selected(LOSSES, given["loss"], "--loss"),
            given["seed"],
            given["protocol"],
            changes.training,
            sampler=selected(SAMPLERS, given["sampler"], "--sampler"),
        )
        assert trial.key == row["key"]


def test_a_trial_of_an_unknown_component_has_no_command() -> None:
    row = Store(str(GOLDEN / "store")).trials().iloc[0]
    identity = json.loads(row["identity"])
    for changed in ({"name": "of_a_plug_in"}, {"version": 99}):
        other = {**identity, "model": {**identity["model"], **changed}}
        assert again(other, row["protocol"], row["loss"]) == ()


class Heard(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        self.lines.append(line)


def test_a_run_writes_its_page(store: str, sweep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.use_cases.run.changed_code", lambda standing, data: ())
    ran = run(sweep, store)
    assert ran.complete and ran.report == f"{store}/reports/few.html"
    assert "few" in Path(ran.report).read_text(encoding="utf-8")

    def fails(*arguments: object) -> str:
        raise ZeroDivisionError("of the page")

    # Without a new trial, the page stands.
    page = Path(ran.report)
    page.write_text("as it was", encoding="utf-8")
    monkeypatch.setattr(use_case, "write", fails)
    monkeypatch.setattr("orchestrator.use_cases.tables.write", lambda *arguments: ran.tables)
    heard = Heard()
    assert run(sweep, store, observer=heard).report == str(page) and not heard.lines
    page.unlink()
    again_ran = run(sweep, store, observer=heard)
    assert again_ran.complete and again_ran.report is None
    (line,) = heard.lines
    assert "ZeroDivisionError: of the page" in line
