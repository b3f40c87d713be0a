"""`calibsweep export calarena`: read back as CalArena's run_benchmark.py reads its own benchmarks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.special import softmax

from orchestrator.cli import app
from results import calarena
from results.figures.data import Cell, Part, Trial
from results.store.store import Store
from trainables.errors import ConfigurationError, DataError

from .conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"
PIECES = ("probas_cal", "labels_cal", "probas_test", "labels_test")


def experiments(folder: Path, benchmark: str) -> Iterator[tuple[pd.Series, dict[str, Any]]]:
    """Each line of the index with its four arrays, by the statements of run_benchmark.py."""
    assert benchmark == benchmark.lower() and benchmark.split("-")[-1] in ("binary", "multiclass")
    index = pd.read_csv(f"{folder}/{benchmark}-experiments.csv")
    with h5py.File(f"{folder}/{benchmark}.h5", "r") as h5:
        for _, row in index.iterrows():
            group = h5[f"{row['dataset']}/{row['model']}"]
            yield row, {piece: group[piece][:] for piece in PIECES}


def test_the_trials_of_a_store_are_read_back_with_their_scores(tmp_path: Path) -> None:
    asked = [str(GOLDEN / "store.yaml"), "--store", str(GOLDEN / "store"), "-o", str(tmp_path / "new")]
    ended = CliRunner().invoke(app, ["export", "calarena", *asked, "--json"])
    assert ended.exit_code == 0, ended.output
    printed = json.loads(ended.stdout)
    (benchmark,) = printed["benchmarks"]
    assert printed["missing"] == 1 and {each.name for each in (tmp_path / "new").iterdir()} == {
        Path(benchmark[file]).name for file in ("data", "index")
    }
    rows = Store(str(GOLDEN / "store")).snapshot().trials().set_index("key")
    seen = set()
    for line, arrays in experiments(tmp_path / "new", benchmark["name"]):
        row = rows.loc[line["key"]]
        seen.add(line["key"])
        assert [line[name] for name in ("network", "loss", "seed")] == [*row[["model", "loss", "seed"]]]
        for part, score in (("cal", "validation_nll"), ("test", "test_nll")):
            probabilities, labels = arrays[f"probas_{part}"], arrays[f"labels_{part}"]
            assert probabilities.shape == (line[f"{part}_size"], line["n_classes"])
            assert probabilities.dtype == np.float32 and labels.dtype == np.int32
            assert -np.log(
                probabilities[np.arange(len(labels)), labels].astype(float)
            ).mean() == pytest.approx(row[score], rel=1e-5)
    assert len(seen) == benchmark["experiments"] == 29


def some_cell(classes: int, *losses: str) -> Cell:
    generator = np.random.default_rng(classes)
    parts = {
        part: Part(3 * generator.normal(size=(n, classes)), generator.integers(0, classes, n), np.arange(n))
        for part, n in {"validation": 23, "test": 31}.items()
    }
    trials = (Trial(f"key{n}", "some/data", "net", loss, 4, {}, given=parts) for n, loss in enumerate(losses))
    return Cell("some/data", "net", "", tuple(trials))


def test_two_classes_are_a_benchmark_of_their_own(tmp_path: Path) -> None:
    cells = [some_cell(2, "own/loss", "own-loss"), some_cell(5, "brier")]
    binary, multiclass = calarena.export(cells, "Mine", tmp_path)
    assert (binary.name, multiclass.name) == ("mine-binary", "mine-multiclass")
    both = [*experiments(tmp_path, "mine-binary")]
    # Two labels that differ in '/' alone, which separates groups.
    assert [line["model"] for line, _ in both] == ["net-own-loss-seed4", "net-own-loss-seed4-key1"]
    assert {line["dataset"] for line, _ in both} == {"some-data"} and "n_classes" not in both[0][0]
    ((line, arrays),) = experiments(tmp_path, "mine-multiclass")
    assert line["n_classes"] == 5
    for cell, found in ((cells[0], both[1][1]), (cells[1], arrays)):
        for ours, theirs in calarena.PARTS.items():
            part = cell.trials[0].parts[theirs]
            expected = softmax(part.logits, axis=1)
            expected = expected[:, 1] if expected.shape[1] == 2 else expected
            np.testing.assert_allclose(found[f"probas_{ours}"], expected, rtol=1e-6)
            assert [*found[f"labels_{ours}"]] == [*part.labels]


def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calarena.export([some_cell(5, "brier")], "mine", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calarena.export([some_cell(5, "mmce", "flsd_53")], "mine", tmp_path, stop)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        calarena.export([some_cell(5, "brier")], "mine", tmp_path / "file")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigurationError, match=r"calibsweep\[calarena\]"):
        calarena.export([], "mine", tmp_path)
