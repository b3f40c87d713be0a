"""A search over calibrators trains no network for them, and leaves the test set alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from orchestrator.search.source import SearchedTrials
from orchestrator.search.study import Result
from orchestrator.use_cases.search import search
from results.store.address import Address
from results.store.store import Store
from sweeps.expand import load as load_sweep
from sweeps.search import load
from trainables import calibrators
from trainables.errors import ConfigurationError

from .conftest import REPOSITORY

FILE = """
name: calibrated
dataset: {digits: {training_samples: 1200}}
model: mlp
losses: [cross_entropy, brier, focal: {gamma: 0.5}]
training: {epochs: 10}
calibrators: [none, temperature_ece, isotonic]
objectives: [nll_after_calibration, error]
trials: 4
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "calibrated.yaml").write_text(FILE, encoding="utf-8")
    return tmp_path / "calibrated.yaml"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The recorded trials of the search."""
    for kind in ("trials", "predictions"):
        cell = Path(kind, "digits-training_samples-1200", "mlp")
        shutil.copytree(REPOSITORY / "tests/golden/store" / cell, tmp_path / "store" / cell)
    return Store(str(tmp_path / "store"))


def results(file: Path, store: Store) -> dict[str, Result]:
    source = SearchedTrials(load(file), store)
    assert source.next() is None
    source.keep()
    return source.results


def validation_part(store: Store, key: str) -> tuple[torch.Tensor, torch.Tensor]:
    row = store.trials().set_index("key", drop=False).loc[key]
    table = store.predictions(Address(*(row[name] for name in ("dataset", "model", "loss", "key"))))
    frame = table.to_pandas()
    frame = frame[frame["split"].astype(str) == "validation"]
    return torch.tensor(np.stack(frame["logits"])), torch.tensor(frame["label"].to_numpy())


def test_each_network_has_the_best_calibrator_on_samples_that_it_was_not_fitted_to(
    file: Path, store: Store
) -> None:
    found = search(file, store.uri, file.parent / "best.yaml")
    assert found.ran == 0 and found.done == 4
    (best,) = found.best
    logits, labels = validation_part(store, best.key)
    scores = {}
    for name in load(file).file.calibrators:
        # The samples of each class in turn to the five folds, one class after the other.
        order = [n for label in range(10) for n in range(len(labels)) if labels[n] == label]
        losses = []
        for fold in range(5):
            held = order[fold::5]
            others = [n for n in range(len(labels)) if n not in set(held)]
            fitted = calibrators.fit(name, logits[others], labels[others])
            log_p = fitted.log_probabilities(logits[held])
            losses += (-log_p[range(len(held)), labels[held]]).tolist()
        scores[name] = np.mean(losses)
    assert best.scores["nll_after_calibration"] == pytest.approx(min(scores.values()), rel=1e-9)
    assert scores[best.calibrator] == min(scores.values())
    text = (file.parent / "best.yaml").read_text(encoding="utf-8")
    assert (
        f"--calibrator {best.calibrator}" in text and len(load_sweep(file.parent / "best.yaml").trials) == 10
    )


def test_the_test_set_plays_no_part_and_known_scores_are_not_computed_again(
    file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = results(file, store)
    read = Store.predictions

    def spoilt(self: Store, address: Address) -> pa.Table:
        table = read(self, address)
        place = table.schema.get_field_index("label")
        test = np.array(table["split"].to_pylist()) == "test"
        labels = (table["label"].to_numpy() + test) % 10
        return table.set_column(place, table.schema.field(place), pa.array(labels, table.schema.types[place]))

    monkeypatch.setattr(Store, "predictions", spoilt)
    shutil.rmtree(Path(store.folder.root) / "rescored")
    assert results(file, store) == expected
    monkeypatch.setattr(Store, "predictions", None)
    assert results(file, store) == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("isotonic", "isotnic", "'isotonic'"),
        ("[nll_after_calibration, error]", "[nll]", "nll_after_calibration"),
        (
            "calibrators: [none, temperature_ece, isotonic]",
            "",
            "calibrators:",
        ),
        ("objectives: [nll_after_calibration, error]", "halving: {first_epoch: 1}", "halving"),
    ],
)
def test_mistakes_are_named(file: Path, old: str, new: str, said: str) -> None:
    assert old in FILE
    file.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load(file)
    (line,) = refused.value.lines
    assert said in line
