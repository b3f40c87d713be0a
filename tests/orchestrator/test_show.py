"""The trials behind a cell, from the rows of the recorded store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import app
from results.store.store import Store
from trainables.errors import ConfigurationError

from .conftest import REPOSITORY

STORE = str(REPOSITORY / "tests" / "golden" / "store")


def show(*arguments: str) -> Result:
    options = ["show", *arguments, "--store", STORE]
    return CliRunner().invoke(app, options, env={"COLUMNS": "160"}, catch_exceptions=False)


def test_all_that_is_recorded_is_shown() -> None:
    shown = json.loads(show("digits", "mlp", "focal(gamma=0.5)", "--json").stdout)["trials"]
    frame = Store(STORE).trials().set_index("key")
    assert [trial["seed"] for trial in shown] == [0, 1, 2]
    for trial in shown:
        row = frame.loc[trial["key"]]
        assert trial["identity"] == json.loads(str(row["identity"]))
        assert trial["temperatures"]["nll"] == row["temperature_nll"]
        for name, value in {**trial["scores"], **trial["recorded"]}.items():
            assert value == row[name], name
        left = set(row.dropna().index) - {*trial["scores"], *trial["recorded"], *trial}
        assert left <= {"trial_key", "evaluation", "row_digest", *(n for n in left if "temperature" in n)}
        assert all(Path(path).is_file() for path in trial["files"]) and len(trial["files"]) == 3


def test_facts_that_trials_share_are_printed_once() -> None:
    text = show("digits", "mlp").stdout
    frame = Store(STORE).trials()
    assert text.count("training.epochs") == frame[frame["model"] == "mlp"]["loss"].nunique() == 5
    for key in frame[frame["model"] == "mlp"]["key"]:
        assert key in text
    assert "small_cnn" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digit"], "digits\\(training_samples=1200\\)"),
        (["digits", "small_cn"], "Did you mean 'small_cnn'"),
        (["digits", "mlp", "brier", "--seed", "9"], "0, 1, 2"),
    ],
)
def test_an_unknown_cell_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        show(*arguments)
