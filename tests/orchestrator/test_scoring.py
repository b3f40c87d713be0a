"""`calibsweep score` as a user runs it: every command of docs/scoring.md, and what is printed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from orchestrator.cli import app
from orchestrator.use_cases.score import score as score_files
from results.scoring.scores import known_metrics
from trainables.calibration import evaluate, score
from trainables.errors import CalibsweepError

from .conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/scoring.md").read_text(encoding="utf-8")
COMMANDS = list(dict.fromkeys(re.findall(r"calibsweep (score \S[^`\n#]*[^`\n# ])", DOCUMENT)))


def part(samples: int, seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, samples)
    return (2 * generator.normal(size=(samples, classes)) + 3 * np.eye(classes)[labels]).astype(
        np.float32
    ), labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files that the document speaks of."""
    folder = tmp_path_factory.mktemp("files")
    parts = {"val": part(317, 0), "test": part(453, 1)}
    arrays = {
        f"{name}_{role}": values
        for name, pair in parts.items()
        for role, values in zip(("logits", "labels"), pair, strict=True)
    }
    test_logits, test_labels = parts["test"]
    np.savez(folder / "my_logits.npz", **arrays)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    tables = {}
    for name, (logits, labels) in parts.items():
        torch.save(
            {"logits": torch.from_numpy(logits), "labels": torch.from_numpy(labels)}, folder / f"{name}.pt"
        )
        tables[name] = pd.DataFrame(logits, columns=[f"logit_{k}" for k in range(4)]).assign(label=labels)
        tables[name].to_csv(folder / f"{name}.csv", index=False)
        tables[name].to_parquet(folder / f"{name}.parquet")
    shutil.copy(folder / "val.csv", folder / "a.csv")
    shutil.copy(folder / "test.csv", folder / "b.csv")
    pd.concat([table.assign(split=name) for name, table in tables.items()]).to_csv(folder / "both.csv")
    shutil.copy(
        next((REPOSITORY / "tests/golden/store/predictions").rglob("*.parquet")),
        folder / "predictions.parquet",
    )
    np.savez(folder / "mine.npz", first=test_logits, second=test_labels)
    probabilities = {
        name: torch.from_numpy(values).softmax(1).numpy() if name.endswith("logits") else values
        for name, values in arrays.items()
    }
    np.savez(folder / "probabilities.npz", **probabilities)
    np.savez(folder / "binary.npz", logits=test_logits[:, 0], labels=test_labels == 0)
    np.savez(folder / "ignored.npz", logits=test_logits, labels=np.where(test_labels == 3, -100, test_labels))
    np.savez(
        folder / "positions.npz",
        logits=test_logits[:350].reshape(5, 7, 10, 4).transpose(0, 3, 1, 2),
        labels=test_labels[:350].reshape(5, 7, 10),
    )
    masked = np.where((test_logits < -1) & (np.arange(4) != test_labels[:, None]), -np.inf, test_logits)
    np.savez(folder / "masked.npz", logits=masked, labels=test_labels)
    return folder


def run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, shlex.split(command), catch_exceptions=False)
    assert done.exit_code == 0 and done.stderr == ""
    return done.stdout


def test_the_document_has_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_document_works(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = run(command, folder, monkeypatch)
    assert (
        all(m.title in output for m in known_metrics().values() if m.at_commit and not m.against_test)
        or "--json" in command
    )
    # Those of the store are of a small test set, and class 3 was left out.
    doubtful = {"predictions.parquet": "297 samples", "ignored.npz": "1 of 4 classes never occur"}
    warnings = [line for line in output.splitlines() if line.startswith("warning: ")]
    assert [doubtful[command.split()[1]] in line for line in warnings] == [
        command.split()[1] in doubtful
    ] * len(warnings)


@pytest.mark.parametrize(
    ("command", "both"),
    [
        ("score my_logits.npz --json", True),
        ("score val_logits.npy val_labels.npy test_logits.npy test_labels.npy --json", True),
        ("score val.pt test.pt --json", True),
        ("score val.csv test.csv --json", True),
        ("score b.csv a.csv --names val=a.csv --names test=b --json", True),
        ("score both.csv --json", True),
        ("score val.parquet test.parquet --json", True),
        ("score probabilities.npz --probabilities --json", True),
        ("score test.pt --json", False),
        ("score mine.npz --names logits=first,labels=second --json", False),
    ],
)
def test_the_same_logits_have_the_same_scores_in_every_form(
    command: str, both: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = [torch.from_numpy(values) for values in (*part(317, 0), *part(453, 1))]
    expected = (
        evaluate(*tensors) if both else {f"test_{name}": value for name, value in score(*tensors[2:]).items()}
    )
    printed = json.loads(run(command, folder, monkeypatch))
    codes = [note["code"] for note in printed.pop("warnings")]
    assert ("test_alone" in codes) == (not both)
    assert printed.keys() == expected.keys()
    for name, value in expected.items():
        assert printed[name] == (None if np.isnan(value) else pytest.approx(value, rel=1e-5, abs=1e-6)), name


def test_arrays_and_tensors_are_scored_like_files(folder: Path) -> None:
    arrays = dict(np.load(folder / "my_logits.npz"))
    expected = score_files([folder / "my_logits.npz"])
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    tensors["val_logits"].requires_grad_()
    for given in (arrays, tensors):
        scored = score_files(given)
        assert scored.scores == pytest.approx(expected.scores, nan_ok=True)
        assert scored.notes == expected.notes
    rounded = score_files({"logits": tensors["test_logits"].bfloat16(), "labels": tensors["test_labels"]})
    assert rounded.scores["test_nll"] == pytest.approx(expected.scores["test_nll"], rel=1e-2)
    with pytest.raises(CalibsweepError, match="test_labels"):
        score_files({"test_logits": arrays["test_logits"], "test_labels": arrays["test_labels"][1:]})


def test_masked_classes_are_scored_as_if_absent(folder: Path) -> None:
    scored = score_files([folder / "masked.npz"])
    assert "masked" in [note.code for note in scored.notes]
    file = np.load(folder / "masked.npz")
    logits, labels = file["logits"].astype(np.float64), file["labels"]
    assert np.isneginf(logits).any()
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    probabilities = np.exp(log_probabilities)
    one_hot = np.eye(4)[labels]
    assert scored.scores["test_nll"] == pytest.approx(-log_probabilities[one_hot == 1].mean(), rel=1e-6)
    assert scored.scores["test_brier"] == pytest.approx(
        ((probabilities - one_hot) ** 2).sum(axis=1).mean(), rel=1e-6
    )
    assert scored.scores["test_mean_confidence"] == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-6)


def test_binary_logits_have_the_scores_of_a_sigmoid(folder: Path) -> None:
    scored = score_files([folder / "binary.npz"])
    file = np.load(folder / "binary.npz")
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(file["logits"]).double(), torch.from_numpy(file["labels"]).double()
    )
    assert scored.scores["test_nll"] == pytest.approx(float(losses), rel=1e-6)
    assert scored.scores["test_error"] == pytest.approx(((file["logits"] > 0) != file["labels"]).mean())


def test_notes_are_below_the_table_and_in_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("score test.pt", folder, monkeypatch).splitlines()
    notes = [line for line in lines if line.startswith(("note: ", "warning: "))]
    warnings = json.loads(run("score test.pt --json", folder, monkeypatch))["warnings"]
    assert notes == [f"{each['kind']}: {each['line']}" for each in warnings] == lines[-len(notes) :]


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [(80, ["ECE", "AdaECE", "NLL"], ""), (40, ["ECE"], "AdaECE, NLL"), (24, [], "ECE, AdaECE, NLL")],
)
def test_narrow_screens_drop_whole_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, width: int, shown: list[str], left_out: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    output = run("score my_logits.npz", folder, monkeypatch)
    head, row = (
        next(line for line in output.splitlines() if line.startswith(word)) for word in ("score", "Err")
    )
    assert re.findall(r"by (\w+)", head) == shown
    error = 100 * score_files([folder / "my_logits.npz"]).scores["test_error"]
    assert re.findall(r"\d+\.\d+", row) == (1 + len(shown)) * [f"{error:.2f}"]
    message = " ".join(output.split())
    assert ("Too narrow" in message) == bool(
        left_out
    ) and f"temperatures by {left_out}" in f"{message} temperatures by "


def test_no_number_is_printed_as_minus_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A network that is right and sure of everything: its NLL is -0.0.
    logits = 1000 * np.eye(3)[np.arange(301) % 3]
    np.savez(tmp_path / "sure.npz", logits=logits, labels=np.arange(301) % 3)
    table = run("score sure.npz", tmp_path, monkeypatch)
    assert "0.00" in table and "-0.00" not in table
    assert "-0.0" not in run("score sure.npz --json", tmp_path, monkeypatch)
    for stored in (-0.0, -1e-9, -4.9e-5):
        assert known_metrics()["nll"].printed(stored) == "0.00"
    assert known_metrics()["nll"].printed(-5.1e-5) == "-0.01"


def test_a_refusal_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibsweepError) as refused:
        score_files([folder / "mine.npz"])
    assert len(str(refused.value).splitlines()) == 1 and "--names" in str(refused.value)
