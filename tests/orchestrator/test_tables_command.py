"""`calibsweep tables`: an option does what it says or is refused, and a format is a file as it is to be."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import app
from results.scoring.scores import known_metrics
from results.tables.origin import split
from trainables.errors import ConfigurationError

from . import conftest
from .conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"
STORE = str(GOLDEN / "store")


def lines_of(*arguments: str) -> list[dict[str, str]]:
    """The lines of the tables in CSV, as a reader that skips comments has them."""
    text = printed(*arguments, "--format", "csv")
    return [*csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))]


def printed(*arguments: str, columns: int = 160) -> str:
    return conftest.printed("tables", "--store", STORE, *arguments, columns=columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "nonsense"], "unknown metric 'nonsense'"),
        (["--metric", "nonsense", "--format", "md"], "unknown metric 'nonsense'"),
        (["--metric", "ece", "--metric", "nl"], "Did you mean 'nll'?"),
        (["--criterion", "adaptive_eec"], "Did you mean 'adaptive_ece'?"),
        (["--metric", "auroc_entropy"], "auroc_entropy"),
        (["--standalone"], "--format latex"),
        (["--standalone", "--format", "html"], "--format latex"),
        (["--set", "training.epochs=3"], "--set training.epochs=3"),
        (["--json", "--format", "md"], "--json and --format"),
        (["--epoch", "11"], "10 epochs"),
        (["--epoch", "10", "--metric", "mce"], "only ece, nll, error"),
        (["--epoch", "10", "--calibrator", "isotonic"], "--calibrator isotonic and --epoch"),
        (["--output", "tables.tex", "--json"], "--output and --json"),
        (["--output", "tables.txt"], ".tex"),
        (["--output", "tables"], ".tex"),
        (["--output", "nowhere/tables.md", "--metric", "error"], "nowhere/tables.md"),
        (["--output", "tables.md", "--standalone"], "--format latex"),
        (["--table", "mukhoti2020/5", "--metric", "ece"], "--metric"),
        (["--table", "mukhoti2020/51"], "mukhoti2020/5"),
        (["--verify", "tables.md", "--metric", "ece"], "--metric"),
    ],
)
def test_conflicting_options_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        printed(*arguments)
    assert message in str(refused.value)


@pytest.mark.parametrize("format", [None, "md", "csv"])
def test_only_the_requested_metrics_are_printed(format: str | None) -> None:
    options = ["--metric", "mce", "--metric", "top_1_accuracy", "--metric", "mce"]
    if format == "csv":
        assert [*dict.fromkeys(line["metric"] for line in lines_of(*options))] == ["mce", "top_1_accuracy"]
        return
    text = printed(*options, *(["--format", format] if format else []))
    if format == "md":
        heads = [line for line in text.splitlines() if line.startswith("| Loss")]
        assert len(heads) == 2
        assert all("MCE" in head and "Top-1" in head and "ECE pre" not in head for head in heads)
    else:
        assert text.splitlines()[1].split() == ["MCE", "Top-1"]


def test_without_calibration_each_score_is_printed_once() -> None:
    def scalings(*options: str) -> list[tuple[str, str]]:
        return [(line["scaling"], line["mean"]) for line in lines_of("--metric", "nll", *options)]

    before = [mean for scaling, mean in scalings() if scaling == "before"]
    assert before and scalings("--calibrator", "none") == [("none", mean) for mean in before]


def test_json_matches_the_other_formats() -> None:
    made = json.loads(printed("--json", "--metric", "ece"))
    (table,), (first, *_) = made["on_test_set"], lines_of()
    assert (table["metric"]["name"], made["on_other_data"], made["damaged"]) == ("ece", [], [])
    assert table["rows"][0]["cells"][0]["mean"] == pytest.approx(float(first["mean"]), rel=1e-6)


def test_the_last_epoch_has_the_scores_of_the_last_epoch() -> None:
    # The store reports it, and its curves are of a version that recorded nothing after scaling.
    lines = lines_of("--epoch", "10")
    reported, fixed = (
        {(line["model"], line["loss"], line["metric"]): line for line in lines if keep(line)}
        for keep in (
            lambda line: not line["epoch"] and line["scaling"] != "after",
            lambda line: line["epoch"] == "10",
        )
    )
    assert {line["scaling"] for line in fixed.values()} == {"none"}
    assert {metric for *_, metric in fixed} == {"ece", "nll", "error"}
    for place, line in fixed.items():
        for name in ("mean", "standard_deviation"):
            assert float(line[name]) == pytest.approx(float(reported[place][name]), abs=1e-6), place


def test_standalone_is_a_whole_document() -> None:
    latex = ["--format", "latex", "--metric", "error"]
    assert "documentclass" in printed(*latex, "--standalone") and "documentclass" not in printed(*latex)


def test_lines_have_the_width_of_COLUMNS() -> None:
    assert max(map(len, printed(columns=66).splitlines())) <= 66
    assert "Too narrow for" in printed(columns=66) and "Too narrow for" not in printed(columns=160)


def test_every_metric_is_listed() -> None:
    output = CliRunner().invoke(app, ["list", "metrics"]).output
    names = [line.split()[0] for line in output.splitlines()[1:] if not line.startswith(" ")]
    assert names == [*known_metrics()]


@pytest.mark.slow
def test_files_are_utf_8_whatever_the_locale() -> None:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}

    def run(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "orchestrator", "tables", "--store", STORE, *arguments]
        return subprocess.run(
            command, cwd=REPOSITORY, env=kept | plain, capture_output=True, check=True
        ).stdout

    text, _ = split(run(str(GOLDEN / "store.yaml"), "--format", "md").decode())
    assert text == (GOLDEN / "store.md").read_text(encoding="utf-8")
    view = run()
    assert view.isascii() and b"3.14~0.39" in view and rb"\x" not in view


@pytest.mark.parametrize("view", [["tables"], ["report", "-o", "page.html"]], ids=["tables", "report"])
def test_a_network_without_a_trial_has_its_row(
    view: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(
        """
        name: untrained
        seeds: [0, 1]
        training: {epochs: 10}
        blocks:
          - datasets: [digits: {training_samples: 1200}]
            models: [mlp: {hidden: 99}, mlp]
            losses: [cross_entropy, focal: {gamma: 0.5}]
        """,
        encoding="utf-8",
    )
    output = conftest.printed(*view, "sweep.yaml", "--store", STORE)
    shown = Path("page.html").read_text(encoding="utf-8") if view[0] == "report" else output
    assert "mlp(hidden=99)" in shown
