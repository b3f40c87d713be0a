"""The gap matrix: against numpy and scipy on small logits, and through the layer of derived scores."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from orchestrator.cli import app
from results.scoring.scores import Score
from results.store.address import Address
from results.store.store import Store
from results.tables import gap_grids, gaps

GOLDEN = Path(__file__).parents[1] / "golden"
CALIBRATORS = ("isotonic", "temperature_nll", "platt")
LOSSES = {"cross_entropy": 2.0, "brier": 3.0, "focal_2": 1.2}
SEEDS = (2, 3, 7)
PLACE = ("dataset", "model", "loss", "metric")


def nll(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())


def brier(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    distances = np.exp(log_softmax(logits / temperature, axis=1)) - np.eye(logits.shape[1])[labels]
    return float((distances**2).sum(axis=1).mean())


def best_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    found = minimize_scalar(lambda log: nll(logits, labels, math.exp(log)), bounds=(-6, 6), method="bounded")
    return math.exp(found.x)


SCORES = {"nll": nll, "brier": brier}


def trial(loss: str, seed: int, key: str) -> dict[str, object]:
    """A row of made-up logits, and the temperatures of calibrators as given there."""
    generator = np.random.default_rng(100 * len(loss) + seed)
    labels = generator.integers(0, 5, 210)
    logits = LOSSES[loss] * (generator.normal(size=(210, 5)) + 2 * np.eye(5)[labels])
    identity = {part: {"version": 1} for part in ("dataset", "model", "loss")} | {"training": {}}
    row: dict[str, object] = {
        **{"key": key, "dataset": "cifar10", "model": "mlp", "loss": loss, "variant": "v", "seed": seed},
        "identity": json.dumps(identity),
        "test_error": float((logits.argmax(axis=1) != labels).mean()),
    }
    best = best_temperature(logits, labels)
    for name, score in SCORES.items():
        row[f"test_{name}"] = score(logits, labels)
        row[f"test_{name}_refinement"] = score(logits, labels, best)
        row[f"test_{name}_after_nll"] = score(logits, labels, 1.5)
        row[f"test_{name}_after_platt"] = score(logits, labels, 0.8)
        infinite = name == "nll" and loss == "brier" and seed == 7
        row[f"test_{name}_after_isotonic"] = math.inf if infinite else score(logits, labels, 0.5)
    return row


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    cells = [(loss, seed) for loss in LOSSES for seed in SEEDS if (loss, seed) != ("focal_2", 3)]
    return pd.DataFrame([trial(*cell, str(number)) for number, cell in enumerate(cells)])


def may_be_best(calibrators: Sequence[str], line: gaps.Line) -> set[str]:
    """Those that no other beats in a one-sided paired t test, by Bonferroni's correction; none if all are."""
    finite = {
        name: [*gain.by_seed.values()]
        for name, gain in zip(calibrators, line.gains, strict=True)
        if math.isfinite(gain.mean)
    }
    left = set()
    for name, own in finite.items():
        others = [values for other, values in finite.items() if other != name]
        p_values = [stats.ttest_rel(own, values, alternative="less").pvalue for values in others]
        if min(p_values) * len(others) > 0.05:
            left.add(name)
    return set() if left == set(finite) else left


def test_gains_are_paired_by_seed(trials: pd.DataFrame) -> None:
    matrices = gaps.build(trials, None, CALIBRATORS)
    assert [matrix.metric.name for matrix in matrices] == ["nll", "brier"]
    for matrix in matrices:
        assert [line.loss for line in matrix.lines] == ["cross_entropy", "brier", "focal_2"]
        assert sorted(matrix.calibrators) == sorted(CALIBRATORS) and matrix.seeds == 3
        for line in matrix.lines:
            own = trials[trials["loss"] == line.loss]
            name, plain = matrix.metric.name, own[f"test_{matrix.metric.name}"]
            assert line.error.mean == pytest.approx(own["test_error"].mean(), rel=1e-12)
            assert line.score.by_seed == dict(zip(own["seed"], plain, strict=True))
            parts = line.refinement.mean, line.calibration.mean
            assert sum(parts) == pytest.approx(line.score.mean, rel=1e-12)
            assert name == "brier" or parts[1] > 0
            for calibrator, gain in zip(matrix.calibrators, line.gains, strict=True):
                differences = plain - own[Score("test", name, calibrator).column]
                assert gain.mean == pytest.approx(differences.mean(), rel=1e-12)
                if math.isfinite(gain.mean):
                    assert gain.deviation == pytest.approx(differences.std(ddof=1), rel=1e-9)
                    assert gain.standard_error == pytest.approx(differences.sem(), rel=1e-9)
    # Of an order: the greatest mean first, infinite scores last.
    means = [np.mean([line.gains[place].mean for line in matrices[0].lines]) for place in range(3)]
    assert means == sorted(means, reverse=True) and means[-1] == -math.inf
    marked = 0
    for matrix in matrices:
        for line in matrix.lines:
            best = {n for n, gain in zip(matrix.calibrators, line.gains, strict=True) if gain.best}
            assert best == may_be_best(matrix.calibrators, line)
            marked += bool(best)
    assert marked > 1
    alone = gaps.build(trials[trials["seed"] == 2], None, CALIBRATORS)
    assert not any(gain.best for matrix in alone for line in matrix.lines for gain in line.gains)


def test_infinite_scores_and_missing_seeds_are_told(trials: pd.DataFrame) -> None:
    (grid, *_) = gap_grids.Arranger(gaps.build(trials, trials.assign(), CALIBRATORS))([], 300)
    shown = {
        line.label: [group.cells[n][0].mean for group in grid.groups] for n, line in enumerate(grid.lines)
    }
    assert shown["Brier Loss"][-1] == "-inf" and any(note.startswith("-inf") for note in grid.notes)
    assert "FL-2 (n=2)" in shown and "-inf" not in shown["FL-2 (n=2)"]
    headings = [(group.heading, *group.subheadings) for group in grid.groups[2:]]
    assert sorted(headings) == [("Isotonic", ""), ("Platt", ""), ("Temperature", "NLL")]


def test_a_line_of_csv_has_the_values_of_each_seed(trials: pd.DataFrame) -> None:
    lines = list(csv.DictReader(io.StringIO(gap_grids.tidy_csv(gaps.build(trials, None, CALIBRATORS)))))
    assert len(lines) == 2 * len(LOSSES) * (4 + len(CALIBRATORS))
    (found,) = (
        line
        for line in lines
        if (line["loss"], line["metric"], line["calibrator"]) == ("focal_2", "brier", "platt")
    )
    values = [float(each.partition(":")[2]) for each in found["by_seed"].split()]
    assert float(found["mean"]) == pytest.approx(np.mean(values), rel=1e-12) and found["seeds"] == "2"
    assert float(found["standard_error"]) == pytest.approx(np.std(values, ddof=1) / 2**0.5, rel=1e-4)


@pytest.mark.slow
def test_the_command_agrees_with_numpy_on_stored_logits(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(GOLDEN / "store", store)

    def ran(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--store", str(store)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    missing = CliRunner().invoke(app, ["tables", "--gaps", "--store", str(store)])
    assert "--metric nll_refinement --metric brier_refinement --calibrator none" in str(missing.exception)
    ran("store", "rescore", "--metric", "nll_refinement", "--metric", "brier_refinement")
    options = ["--metric", "nll", "--metric", "brier", "--calibrator", "temperature_nll_continuous"]
    ran("store", "rescore", *options)
    file = tmp_path / "gaps.csv"
    ran("tables", "--gaps", "--output", str(file))
    ran("tables", "--verify", str(file))
    text = file.read_text(encoding="utf-8")
    assert "nll-temperature_nll_continuous-" in text and "brier_refinement-none-" in text
    lines = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    by_place = {tuple(line[name] for name in (*PLACE, "quantity", "calibrator")): line for line in lines}
    assert {line["calibrator"] for line in lines if line["quantity"] == "gain"} == {
        "temperature_ece",
        "temperature_adaptive_ece",
        "temperature_nll",
        "temperature_nll_continuous",
    }
    opened = Store(str(store))
    for row in opened.trials().to_dict("records")[::7]:
        table = opened.predictions(Address(*(row[name] for name in ("dataset", "model", "loss", "key"))))
        parts = {}
        for name in ("validation", "test"):
            part = table.filter([str(each) == name for each in table["split"].to_pylist()])
            parts[name] = np.array(part["logits"].to_pylist(), dtype=float), part["label"].to_numpy()
        logits, labels = parts["test"]
        for metric, score in SCORES.items():
            plain, best = score(logits, labels), best_temperature(logits, labels)
            expected = {
                ("refinement", "none"): score(logits, labels, best),
                ("calibration", "none"): plain - score(logits, labels, best),
                ("gain", "temperature_nll"): plain - score(logits, labels, row["temperature_nll"]),
                ("gain", "temperature_nll_continuous"): plain
                - score(logits, labels, best_temperature(*parts["validation"])),
            }
            for quantity, value in expected.items():
                place = (row["dataset"], row["model"], row["loss"], metric, *quantity)
                found = dict(each.split(":") for each in by_place[place]["by_seed"].split())
                assert float(found[str(row["seed"])]) == pytest.approx(value, abs=2e-6), place
    view = ran("tables", "--gaps")
    assert "Digits / MLP: NLL and calibrators" in view and "as trained" in view
    for format in ("md", "html", "latex"):
        assert "refinement" in ran("tables", "--gaps", "--format", format)
