"""What `--json` prints can be read back by any JSON parser."""

from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.screen.as_json import as_json
from orchestrator.use_cases.cost import Prices
from orchestrator.use_cases.plan import plan
from orchestrator.use_cases.status import status
from results.store.running import Running, publish
from results.store.store import Store
from sweeps.expand import load

from .conftest import Command

SWEEP = """\
name: mixed
seeds: 3
run: {watch: []}
training: {epochs: 2}
blocks:
  - {datasets: [digits], models: [mlp], losses: [brier, mmce]}
  - {datasets: [cifar10], models: [resnet20], losses: [brier], gpus: 1}
"""


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    score: float
    colour: Colour


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]
    counts: dict[Colour, int]
    file: Path
    missing: float | None = None


def test_a_result_survives_the_way_through_json() -> None:
    inner = (Inner(math.nan, Colour.RED), Inner(-0.0, Colour.RED), Inner(1 / 3, Colour.RED))
    text = as_json(Outer("ü", inner, {Colour.RED: 2}, Path("a") / "b"))
    assert text.endswith("}\n") and "-0" not in text
    assert json.loads(text) == {
        "name": "ü",
        "inner": [{"score": score, "colour": "red"} for score in (None, 0.0, 1 / 3)],
        "counts": {"red": 2},
        "file": "a/b",
        "missing": None,
    }


def test_numbers_of_numpy_are_numbers() -> None:
    assert json.loads(as_json([np.float32(0.5), np.int64(7), np.bool_(True), np.inf])) == [0.5, 7, True, None]
    assert json.loads(as_json(np.array([[1, 2, 3], [4, 5, 6]]))) == [[1, 2, 3], [4, 5, 6]]


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        as_json({"a": object()})


def test_plan_and_status_print_what_their_use_cases_return(tmp_path: Path) -> None:
    sweep, store = tmp_path / "mixed.yaml", str(tmp_path / "store")
    sweep.write_text(SWEEP)
    trials = load(str(sweep)).trials
    publish(Store(store), "mixed-1", {trials[4].key: Running(1)})
    options = [str(sweep), "--store", store, "--gpus", "4", "--price-per-gpu-hour", "2.5", "--json"]
    printed = {}
    for command in ("plan", "status"):
        done = CliRunner().invoke(app, [command, *options], catch_exceptions=False)
        assert done.exit_code == 0
        printed[command] = done.stdout
    prices = Prices(gpus=4.0, per_gpu_hour=2.5)
    assert printed["plan"] == as_json(plan(str(sweep), store, prices=prices))
    assert printed["status"] == as_json(status(str(sweep), store, prices=prices))
    message = json.loads(printed["plan"])
    assert Counter(message["counts"]) == Counter(missing=8, running=1)
    assert [(cell["loss"], cell["counts"]) for cell in message["cells"]] == [
        ("brier", {"missing": 3}),
        ("mmce", {"missing": 2, "running": 1}),
        ("brier", {"missing": 3}),
    ]
    assert [(run["key"], run["epoch"], run["epochs"]) for run in message["running"]] == [
        (trials[4].key, 1, 2)
    ]
    assert message["cost"]["price"] == pytest.approx(2.5 * message["cost"]["hours"])
    assert json.loads(printed["status"])["job"] is None


@pytest.mark.slow
def test_a_run_has_standard_output_to_itself_and_writes_curves(calibsweep: Command, tmp_path: Path) -> None:
    sweep, store = tmp_path / "mixed.yaml", tmp_path / "store"
    sweep.write_text(SWEEP.partition("  - {datasets: [cifar10]")[0].replace("[]", "[tensorboard]"))
    process = calibsweep.start("run", str(sweep), "--store", str(store), "--json", stderr=subprocess.PIPE)
    printed, view = process.communicate(timeout=240)
    assert process.returncode == 0, view
    message = json.loads(printed)
    assert (message["trials"], message["done"], message["failed"], message["left"]) == (6, 6, 0, 0)
    assert {Path(file).suffix for file in message["tables"]["files"].values()} == {
        ".md",
        ".tex",
        ".html",
        ".csv",
    }
    assert "[6/6] digits / mlp / mmce" in view
    assert f"Live curves: tensorboard --logdir {store}/tensorboard/mixed" in view
    assert len(list(store.glob("tensorboard/mixed/digits/mlp/brier/seed-*/events.*"))) == 3
    # Nothing else is left.
    folders = {path.name for path in store.iterdir()}
    assert folders == {"trials", "predictions", "epochs", "reports", "tables", "tensorboard"}
