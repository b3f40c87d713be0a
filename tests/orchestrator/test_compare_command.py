"""`calibsweep compare` on the recorded trials of SST: figures, formats, exit codes and refusals."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner, Result

from orchestrator import api
from orchestrator.cli import app
from results.comparison.verdicts import Row
from trainables.errors import ConfigurationError

from .conftest import REPOSITORY

RECORDED = REPOSITORY / "results" / "recorded"
STORE = str(RECORDED / "sst-tree-lstm")


def compare(*arguments: str, store: str = STORE, columns: int = 160) -> Result:
    options = ["compare", "--store", store, *arguments]
    return CliRunner().invoke(app, options, env={"COLUMNS": str(columns)}, catch_exceptions=False)


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], Row]:
    return {(row.metric, row.scaling): row for row in api.compare(STORE, "sst").rows if row.comparable}


def test_most_agreement_on_sst_is_that_of_chance(rows: dict[tuple[str, str], Row]) -> None:
    ece = rows["ECE", "before"]
    assert ece.chance is not None and (ece.chance.agreeing, ece.chance.losses) == (10, 11)
    assert 8 < ece.chance.by_chance < 9 and ece.chance.p_value > 0.1 and ece.tables == (1, 5)
    assert {number.loss for number in ece.comparable if number.p_value < 0.05} == {"FL-3"}
    error = rows["Error", "none"]
    assert error.chance is not None and error.chance.agreeing == 0
    assert all(number.mean > number.published for number in error.comparable)
    assert {number.differences for number in error.comparable} == {
        ("vectors glove.6B.50d, not glove.840B.300d", "words 22329, not none")
    }


def test_the_screen_and_json_say_the_same() -> None:
    told = json.loads(compare("sst", "--json").stdout)
    assert (told["counts"]["numbers"], told["counts"]["agree"], told["counts"]["differ"]) == (1522, 42, 57)
    screen = compare("sst").stdout
    assert "42 of 99" in screen and f"{told['counts']['by_chance']:.1f}" in screen
    (line,) = (line.split() for line in screen.splitlines() if line.startswith("ECE before"))
    assert line[2:8] == ["10", "of", "11", "8.7", "0.19", "9.86"]


def test_each_number_is_printed_on_demand_and_lines_fit() -> None:
    table = ["--table", "mukhoti2020/5"]
    screen = compare(*table, "--each", columns=66).stdout.splitlines()
    assert max(map(len, screen)) <= 66 and any("Too narrow for" in line for line in screen)
    before, after = ([*line.split()] for line in screen if line.startswith("FL-3"))
    assert before[:2] == ["FL-3", "16.05"] and before[-1] == "differs" and after[-1] == "agrees"
    lines = csv.DictReader(io.StringIO(compare(*table, "--format", "csv").stdout))
    outcomes = {(line["loss"], line["scaling"]): line["outcome"] for line in lines if line["seeds"] == "5"}
    assert len(outcomes) == 14 and outcomes["FL-3", "before"] == "differs"


@pytest.mark.parametrize(
    ("arguments", "store", "code"),
    [
        (["--fail-under", "0.42"], "sst-tree-lstm", 0),
        (["--fail-under", "0.43"], "sst-tree-lstm", 1),
        (["--fail-under", "0.9", "--table", "mukhoti2020/1", "--json"], "sst-tree-lstm", 0),
        (["--fail-under", "0"], "20-newsgroups-cnn", 1),
        ([], "20-newsgroups-cnn", 0),
    ],
)
def test_the_exit_code_is_1_if_too_few_agree(arguments: list[str], store: str, code: int) -> None:
    ended = compare(*arguments, store=str(RECORDED / store))
    assert ended.exit_code == code
    assert bool(ended.stderr) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--table", "mukhoti2020/14"], "mukhoti2020/1"),
        (["sts"], "'sst'"),
        (["quickstart"], "no finished trial"),
        (["--set", "training.epochs=3"], "--set training.epochs=3"),
        (["--json", "--format", "md"], "--json"),
        (["--json", "--each"], "--each"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        compare(*arguments)
    assert named in str(refused.value)
