"""Stores of small made-up results, in the shapes and by the way that real ones are committed."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from results.scoring.commit import (
    ARITHMETIC,
    FLOAT64,
    commit_evaluation,
    commit_result,
    epochs_table,
    predictions_table,
    score_predictions,
    trial_differs,
)
from results.store import rows
from results.store.address import Address
from results.store.inspection import Inspection, inspection
from results.store.store import Store
from trainables.resolve import resolve
from trainables.tasks.classification import Predictions
from trainables.training.result import TrialResult
from trainables.trial import Component, Trial

CLASSES, VALIDATION, TEST, EPOCHS = 5, 7, 11, 3

OTHER = resolve("cifar10", "resnet50", "brier", 0, evaluations=["svhn"]).evaluations[0]
"""A further evaluation."""


def trial_of(seed: int = 0, loss: str = "brier", model: str = "mlp") -> Trial:
    return resolve("digits", model, loss, seed)


def result_of(trial: Trial) -> TrialResult:
    """Numbers that follow from the trial's key, without training. No sample is confident, so one is NaN."""
    generator = torch.Generator().manual_seed(int(trial.key[:12], 16))

    def part(samples: int, first_id: int) -> Predictions:
        return Predictions(
            torch.randn(samples, CLASSES, generator=generator).clamp(-1.5, 1.5),
            torch.randint(0, CLASSES, (samples,), generator=generator),
            torch.arange(first_id, first_id + samples),
        )

    losses = torch.rand(EPOCHS, generator=generator).tolist()
    return TrialResult(
        trial=trial,
        validation=part(VALIDATION, 100),
        test=part(TEST, 200),
        epochs=[
            {"epoch": epoch, "train_loss": loss, "test_nll_wrong": loss / 2 if epoch else None}
            for epoch, loss in enumerate(losses)
        ],
        reported_epoch=EPOCHS - 1,
        dataset_fingerprint="f" * 64,
        measurements={"training_seconds": 1.5, "device": "cpu"},
    )


def commit(store: Store, *trials: Trial) -> list[bool]:
    return [commit_result(store, result_of(trial), {"host": "here"}) for trial in trials]


def arguments_of_commit(trial: Trial) -> dict[str, Any]:
    """What `commit_result` gives to `Store.commit`, for processes that do without torch."""
    result = result_of(trial)
    table = predictions_table("classification", result.validation, result.test)
    return {
        "trial": trial,
        "predictions": table,
        "epochs": epochs_table(result.epochs),
        "scores": score_predictions(table),
        "measurements": {"training_seconds": 1.5, "reported_epoch": EPOCHS - 1.0},
        "provenance": {"host": "here", "device": "cpu", "dataset_fingerprint": "f" * 64, ARITHMETIC: FLOAT64},
    }


def one_digit_of_a_logit(content: bytes) -> bytes:
    """Predictions that are read as well as those before."""
    table = rows.from_parquet(content)
    flat = np.array(table["logits"].combine_chunks().flatten())
    flat[3] = np.nextafter(flat[3], np.float32(9), dtype=np.float32)
    logits = pa.FixedSizeListArray.from_arrays(pa.array(flat), CLASSES)
    return rows.to_parquet(table.set_column(table.schema.get_field_index("logits"), "logits", logits))


def evaluated(store: Store, trial: Trial, other: Component = OTHER) -> str:
    """Commits a further evaluation of a trial; returns the path of the row."""
    generator = torch.Generator().manual_seed(trial.seed)
    logits = torch.randn(9, CLASSES, generator=generator)
    predictions = Predictions(logits, torch.arange(9) % CLASSES, torch.arange(9))
    result = result_of(trial)
    own = predictions_table("classification", result.validation, result.test)
    scores = score_predictions(own)
    assert commit_evaluation(store, trial, other, predictions, own, scores, {"host": "here"})
    return Address.of(trial, other).row


def inspected(store: Store) -> Inspection:
    """All that `store verify` finds."""
    made = inspection(store)
    for step in made.steps:
        step()
    return made


def falsified(content: bytes, name: str = "test_nll") -> bytes:
    """A row that is whole, and one of whose scores is wrong."""
    row = rows.from_parquet(content)
    scores = {key: value + 0.01 * (key == name) for key, value in row["scores"][0].as_py()}
    return rows.to_parquet(rows.rescored(row, scores, {}))


def content_of(store: Store) -> dict[str, bytes]:
    """Every file of a store by its path."""
    return {info.path: store.folder.read(info.path) for info in store.folder.list("")}


def path_of(store: Store, trial: Trial, kind: str, other: Component | None = None) -> str:
    """The only file of a kind of a trial, or of one of its further evaluations."""
    name = re.compile(rf".*/{trial.key_on(other)}(-[0-9a-f]{{16}}|-[0-9])?\.parquet")
    (path,) = (info.path for info in store.folder.list(kind) if name.fullmatch(info.path))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts Python code in a process of its own, which finds `arguments` unpickled under that name."""

    def start(code: str, arguments: Any, *prefix: str) -> subprocess.Popen[str]:
        file = tmp_path / f"arguments-{len(list(tmp_path.glob('arguments-*')))}"
        file.write_bytes(pickle.dumps(arguments))
        read = f"import pickle\narguments = pickle.load(open({str(file)!r}, 'rb'))\n"
        return subprocess.Popen(
            [*prefix, sys.executable, "-c", read + textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def python(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Runs such code to its end and gives what it printed."""

    def run(code: str, arguments: Any, *prefix: str) -> str:
        process = start(code, arguments, *prefix)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return output

    return run


def scores_that_differ(store: Store, row: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Scores that a row of `Store.trials()` has otherwise than its predictions, as (committed, anew)."""
    address = Address(row["dataset"], row["model"], row["loss"], row["key"])
    return trial_differs(row, row, store.predictions(address))
