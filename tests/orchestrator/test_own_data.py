"""docs/own-data.md works as it stands; `data check` counts; `new` writes files that run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from orchestrator import api
from orchestrator.cli import app
from orchestrator.commands.endings import run_and_exit
from orchestrator.use_cases.data import SHARES, SPLIT_SEED
from sweeps.expand import load
from trainables.catalogue import DATASETS
from trainables.errors import ConfigurationError, DataError
from trainables.training.run import run_trial

from .conftest import REPOSITORY, Command, printed
from .test_documents import blocks

BLOCKS = blocks(REPOSITORY / "docs/own-data.md")
LINES = [line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]
CELL = ("--model", "mlp", "--loss", "brier", "--dataset")
SWEEP = next(block.text for block in BLOCKS if block.language == "yaml" and "name: pets" in block.text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data of the document: pictures of two classes, a table of texts and one of numbers, and a sweep."""
    monkeypatch.chdir(tmp_path)
    drawn = np.random.RandomState(0)
    for name, number in (("cat", 31), ("dog", 14)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(number):
            pixels = drawn.randint(0, 255, (20 + i, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i}.png")
    rows = [
        f"{text} {i},{label}" for i in range(13) for text, label in (("goal", "sport"), ("chip", "computers"))
    ]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    patients = [
        f"{30 + i % 7}.5,{'red' if i % 5 else 'pale'},{i % 3},{'ill' if i % 4 else 'fit'}" for i in range(43)
    ]
    (tmp_path / "patients.csv").write_text(
        "\n".join(["age,colour,site,diagnosis", *patients]), encoding="utf-8"
    )
    (tmp_path / "pets.yaml").write_text(SWEEP, encoding="utf-8")
    return tmp_path


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "160"}, catch_exceptions=False)


@pytest.mark.slow
def test_the_document_s_commands_without_ray(folder: Path) -> None:
    del folder
    for line in LINES:
        program, *words = shlex.split(line)
        assert program == "calibsweep"
        if words[0] not in ("run", "tables"):
            printed(*words)


def test_data_check_counts_parts_and_classes(folder: Path) -> None:
    found = json.loads(typed("data", "check", str(folder / "pictures"), "--json").stdout)
    assert {part["name"]: part["counts"] for part in found["parts"]} == {
        "train": {"cat": 22, "dog": 10},
        "validation": {"cat": 3, "dog": 1},
        "test": {"cat": 6, "dog": 3},
    }
    assert (found["least_size"], found["greatest_size"], found["unit"]) == (20, 40, "pixels")
    texts = api.check_data(folder / "reviews.csv")
    assert (texts.component, texts.classes, texts.median_size) == ("text_table", ["computers", "sport"], 2.0)
    table = api.check_data(folder / "patients.csv", target="diagnosis", categories=["site"])
    assert (table.component, table.classes, table.least_size) == ("table", ["fit", "ill"], 3)
    assert table.columns == {"target": "diagnosis", "categories": ("site",)}
    # The defaults are those of the components.
    for component in ("image_folder", "text_table", "text_table_bert", "table"):
        usual = DATASETS[component].usual
        assert {"validation": usual["validation"], "test": usual["test"]} == SHARES
        assert usual["split_seed"] == SPLIT_SEED
    # The digest stands for the path in a sweep file.
    given = (folder / "pets.yaml").read_text().replace("path: pictures", f"path: '{found['digest']}'")
    (folder / "digest.yaml").write_text(given)
    by_path, by_digest = ([t.key for t in load(sweep).trials] for sweep in ("pets.yaml", "digest.yaml"))
    assert by_path == by_digest and len(set(by_path)) == 6


def test_every_damaged_picture_is_named(folder: Path) -> None:
    for name in ("cat/3.png", "dog/0.png"):
        (folder / "pictures" / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"pictures: cat/3\.png, dog/0\.png\."):
        api.check_data(folder / "pictures")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["data", "check", "picturs"], "Did you mean 'pictures'"),
        (["data", "check", "reviews.csv", "--text", "txt"], "Did you mean 'text'"),
        (["data", "check", "patients.csv"], "give target"),
        (["data", "check", "patients.csv", "--target", "diagnose"], "Did you mean 'diagnosis'"),
        (
            ["trial", *CELL, "table: {path: patients.csv, target: age, imbalance: step, factor: 0.5}"],
            "factor must",
        ),
        (["trial", *CELL, "wine: {imbalance: step, factor: 90}"], "data set 'wine': factor 90"),
        (["new", "loss", "focal"], "there is a loss 'focal' already"),
        (["new", "sweep", "pets"], "pets.yaml exists already"),
        (["new", "loss", "a b"], "only letters"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    cause: str,
) -> None:
    del folder
    monkeypatch.setattr("sys.argv", ["calibsweep", *words])
    with pytest.raises(SystemExit) as ended:
        run_and_exit(app)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and cause in line


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["loss", "dataset"])
def test_a_new_file_runs_as_it_stands(folder: Path, kind: str) -> None:
    written = json.loads(typed("new", kind, "2nd-one", "--json").stdout)
    text = (folder / written["path"]).read_text()
    with pytest.raises(ConfigurationError):
        api.new(kind, "2nd-one")  # type: ignore[arg-type]
    assert (folder / written["path"]).read_text() == text
    printed(*shlex.split(written["next"])[1:])


def absolute(folder: Path, line: str) -> list[str]:
    """A line's words for a command that runs in another folder."""
    return [str(folder / word) if word in ("pets.yaml", "store") else word for word in shlex.split(line)[1:]]


@pytest.mark.slow
def test_the_document_s_sweep_runs_to_tables(folder: Path, calibsweep: Command) -> None:
    run, tables = (line for line in LINES if shlex.split(line)[1] in ("run", "tables"))
    shorter = ["--set", "seeds=1", "--set", "training.epochs=1"]
    assert "Brier" in calibsweep(*absolute(folder, run), *shorter)
    assert "Image folder" in printed(*absolute(folder, tables), *shorter)


def test_a_new_sweep_runs_as_it_stands(folder: Path) -> None:
    written = api.new("sweep", "my_sweep", folder)
    program, command, path = shlex.split(written.next)
    assert (program, command, Path(path)) == ("calibsweep", "run", written.path)
    shorter = load(path, ["seeds=1", "training.epochs=1"])
    for trial in shorter.trials:
        run_trial(trial, device=torch.device("cpu"))
    assert len(shorter.trials) == 3
