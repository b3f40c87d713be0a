"""`calibsweep figures` and `score --figures`: files, refusals and what is omitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from orchestrator.cli import app
from orchestrator.use_cases.figures import drawn as drawn_from
from orchestrator.use_cases.figures import figures, fitted
from orchestrator.use_cases.score import score
from results.figures import kinds
from results.figures.data import Part, Results
from results.figures.kinds import Kind, Picture
from results.figures.reading import cells_of
from results.store.store import Store
from sweeps.expand import expected_frame, load
from trainables.errors import ConfigurationError, DataError

from .conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden"
SWEEP, STORE = str(GOLDEN / "store.yaml"), str(GOLDEN / "store")
DOCUMENT = (REPOSITORY / "docs" / "figures.md").read_text(encoding="utf-8")


def invoked(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_files_of_a_figure_are_listed(tmp_path: Path) -> None:
    asked = ["--figure", "ece_and_error", "--figure", "focal_gamma", "--loss", "brier", "--json"]
    printed = json.loads(invoked("figures", SWEEP, "--store", STORE, *asked, "-o", str(tmp_path / "new")))
    assert [Path(each["file"]).name for each in printed["files"]] == [
        "ece_and_error-digits-training_samples-1200-mlp.svg",
        "ece_and_error-digits-training_samples-1200-small_cnn.svg",
        "focal_gamma.svg",
    ]
    for each in printed["files"]:
        ElementTree.parse(each["file"])
    assert printed["omitted"] == {} and len([*(tmp_path / "new").iterdir()]) == 3


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"names": ["reliablity"]}, "'reliability'"),
        ({"losses": ["adafokal"]}, "'adafocal'"),
        ({"losses": ["mmce"]}, "'mmce'"),
        ({"calibrator": "isotonik"}, "'isotonic'"),
        ({"format": "pfd"}, "'pdf'"),
        ({"names": ["roc"]}, "roc: "),
        ({"names": ["reliability"], "seed": 9}, "seed 9"),
        ({"names": ["roc"], "epoch": 2}, "bin_correspondence, reliability"),
        ({"names": ["reliability"], "epoch": 2, "calibrator": "isotonic"}, "--calibrator isotonic"),
    ],
)
def test_what_does_not_exist_is_refused(tmp_path: Path, changed: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        figures(SWEEP, STORE, folder=tmp_path, **{"names": ["ece_and_error"], **changed})
    assert named in str(refused.value) and not [*tmp_path.iterdir()]


def test_without_names_a_figure_that_lacks_data_is_omitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "names", lambda: ["focal_loss", "roc"])
    drawn = figures(SWEEP, STORE, folder=tmp_path, format="pdf")
    assert [each.file.name for each in drawn.files] == ["focal_loss.pdf"] and [*drawn.omitted] == ["roc"]


def test_images_that_are_not_there_are_named(repository: Path, tmp_path: Path) -> None:
    store = str(repository / "results/recorded/cifar10-lt-small")
    with pytest.raises(ConfigurationError, match=r"confidences: .*data_batch_1 is missing"):
        figures("cifar10_lt_small", store, ["confidences"], folder=tmp_path, data=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        figures(SWEEP, STORE, ["focal_gamma"], folder=tmp_path / "file")


def test_labels_that_become_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    def pictures(results: Results) -> Iterator[Picture]:
        yield from (Picture((part,), part, Figure()) for part in ("a(1)", "a/1/", "b"))

    drawn = drawn_from(
        [Kind("own", "", "", pictures, False, False)], Results(), tmp_path, "svg", "", named=True
    )
    assert [each.file.name for each in drawn.files] == ["own-a-1.svg", "own-a-1-2.svg", "own-b.svg"]


def test_theory_needs_no_store(tmp_path: Path) -> None:
    drawn = figures(SWEEP, str(tmp_path / "none"), ["focal_gamma"], folder=tmp_path)
    assert [each.file.name for each in drawn.files] == ["focal_gamma.svg"]


def test_another_calibrator_is_fitted_to_validation_data() -> None:
    generator = np.random.default_rng(3)
    validation = Part(generator.normal(size=(61, 4)), generator.integers(0, 4, 61), np.arange(61))
    logits = generator.normal(size=(17, 4))
    results = Results(calibrate=fitted("temperature_nll"))
    assert results.calibrate is not None
    found = results.calibrate(validation, 5 * logits)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    assert not np.allclose(found, results.calibrate(validation, logits))


def test_logits_of_ones_own_are_drawn(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    parts = {"val": 83, "test": 131}
    arrays = {f"{part}_logits": 3 * generator.normal(size=(n, 5)) for part, n in parts.items()}
    arrays |= {f"{part}_labels": generator.integers(0, 5, n) for part, n in parts.items()}
    np.savez(tmp_path / "mine.npz", **arrays)
    printed = json.loads(
        invoked("score", str(tmp_path / "mine.npz"), "--figures", str(tmp_path / "out"), "--json")
    )
    assert [Path(file).name for file in printed["figures"]] == [
        "reliability-mine.npz.svg",
        "temperature-mine.npz.svg",
    ]
    alone = {name: array for name, array in arrays.items() if name.startswith("test")}
    scored = score(alone, figures=tmp_path / "test")
    assert [file.name for file in scored.figures] == ["reliability-logits.svg"]
    assert not score(alone).figures


def test_the_document_shows_each_figure() -> None:
    for kind in kinds.chosen(()):
        assert f"`{kind.name}`" in DOCUMENT
        assert kind.source in DOCUMENT


def test_a_sweep_of_another_task_is_refused() -> None:
    store, sweep = Store(STORE), load(SWEEP)
    expected = expected_frame(sweep.trials).assign(task="multi_label")
    with pytest.raises(ConfigurationError, match="classification"):
        cells_of(store, store.snapshot(sweep.trials), expected)
