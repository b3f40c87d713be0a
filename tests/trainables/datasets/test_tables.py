"""Tables: encoded by the training part alone, equal in three formats, refused if wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine

from trainables import datasets
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset
from trainables.datasets.rows import ENDINGS
from trainables.datasets.testing import DatasetConformance
from trainables.errors import CalibsweepError, ConfigurationError, DataError
from trainables.models.testing import ModelConformance
from trainables.resolve import resolve
from trainables.training.run import run_trial

NAMES = ["age", "colour", "code", "id", "kind"]
COLOURS = ["red", "blue", "pale red"]


def some_rows(number: int = 47) -> list[list[object]]:
    """Age, colour, code, id and class; the classes 2, 10 and 1 alternate."""
    drawn = np.random.RandomState(0)
    return [
        [
            round(float(drawn.normal(40, 9)), 3),
            COLOURS[int(drawn.randint(3))],
            i % 4,
            1000 + i,
            (2, 10, 1)[i % 3],
        ]
        for i in range(number)
    ]


def write(path: Path, rows: list[list[object]], names: list[str] = NAMES) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([names, *rows])
    return str(path)


def loaded(path: str, **params: object) -> Dataset:
    return datasets.load("table", path=path, **{"target": "kind", "ignored": ["id"], **params})


def test_formats_agree(tmp_path: Path) -> None:
    found = [loaded(write(tmp_path / f"t{ending}", some_rows()), split_seed=5) for ending in ENDINGS]
    assert len({each.fingerprint for each in found}) == 1
    data = found[0]
    # Age, three colours, and code, which is a number here.
    assert data.input_shape == (5,) and data.train.inputs.dtype == torch.float32
    ids = torch.cat([part.sample_ids for part in (data.train, data.validation, data.test)])
    assert sorted(ids.tolist()) == list(range(47))
    # The classes are in the order of numbers: 1, 2, 10.
    for part in (data.train, data.test):
        assert [(1, 2, 10)[label] for label in part.labels] == [(2, 10, 1)[i % 3] for i in part.sample_ids]
    assert torch.bincount(data.validation.labels).tolist() == [2, 2, 2]


@pytest.mark.parametrize("form", [{}, {"imbalance": "exponential", "factor": 3}])
def test_encoders_know_the_training_part_alone(tmp_path: Path, form: dict[str, object]) -> None:
    rows = some_rows()
    data = loaded(write(tmp_path / "t.csv", rows), categories=["code"], **form)
    chosen = data.train.sample_ids.tolist()
    ages = np.array([float(str(rows[i][0])) for i in chosen])
    assert torch.allclose(data.train.inputs[:, 0].mean(), torch.tensor(0.0), atol=1e-5)
    for part in (data.train, data.validation, data.test):
        expected = (np.array([float(str(rows[i][0])) for i in part.sample_ids]) - ages.mean()) / ages.std()
        assert np.allclose(part.inputs[:, 0], expected, atol=1e-5)
        colours = sorted({str(rows[i][1]) for i in chosen})
        assert [colours[int(row.argmax())] for row in part.inputs[:, 1 : 1 + len(colours)]] == [
            rows[i][1] for i in part.sample_ids
        ]
        assert torch.equal(part.inputs[:, -4:].argmax(dim=1), part.sample_ids % 4)
    # A value that the training part lacks is 0 everywhere.
    new = next(i for i in data.test.sample_ids.tolist())
    rows[new][1] = "green"
    data = loaded(write(tmp_path / "t.csv", rows), categories=["code"], **form)
    (row,) = data.test.inputs[data.test.sample_ids == new]
    assert row[1:-4].sum() == 0 and row[-4:].sum() == 1


def test_given_parts(tmp_path: Path) -> None:
    rows = some_rows(80)
    for name, some in (("train.csv", rows[:50]), ("val.tsv", rows[50:60]), ("test.parquet", rows[60:])):
        write(tmp_path / name, some)
    data = loaded(str(tmp_path))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50, 10, 20]
    assert data.test.sample_ids.tolist() == list(range(60, 80)) and not data.held_out
    even = loaded(str(tmp_path), imbalance="step", factor=4, validation_form="balanced")
    assert torch.equal(even.validation.sample_ids, data.validation.sample_ids)
    assert torch.bincount(even.train.labels).tolist() == [16, 4, 4]


@pytest.mark.parametrize(
    ("changes", "params", "error", "named"),
    [
        ({(4, 0): ""}, {}, DataError, "line 6: 'age' is empty"),
        ({(4, 0): "NA"}, {}, DataError, "line 6: 'age' is 'NA'"),
        ({(4, 0): "nan"}, {}, DataError, "line 6: 'age' is 'nan'"),
        ({(i, 4): "one" for i in range(47)}, {}, DataError, "the target 'kind' has only the class 'one'"),
        ({(0, 4): "rare"}, {}, DataError, "class 'rare' has too few samples"),
        ({}, {"target": "kin"}, ConfigurationError, "Did you mean 'kind'"),
        ({}, {"categories": ["color"]}, ConfigurationError, "Did you mean 'colour'"),
        ({}, {"ignored": ["di"]}, ConfigurationError, "Did you mean 'id'"),
        ({}, {"ignored": NAMES[:4]}, ConfigurationError, "a table needs an input"),
        ({}, {"validation": 0.0}, ConfigurationError, "validation (0)"),
        ({}, {"imbalance": "exponential", "factor": 40}, ConfigurationError, "leaves 0 samples of class 2"),
    ],
)
def test_refused(
    tmp_path: Path, changes: dict[tuple[int, int], object], params: dict[str, object], error: type, named: str
) -> None:
    rows = some_rows()
    for (row, column), value in changes.items():
        rows[row][column] = value
    path = write(tmp_path / "t.csv", rows)
    with pytest.raises(error) as refused:
        loaded(path, **params)
    (line,) = refused.value.lines
    assert named in line and ("t.csv" in line or "'table'" in line or "validation" in line)


def test_names_of_columns(tmp_path: Path) -> None:
    for names, named in (
        (["", *NAMES[1:]], "column 1 has no name"),
        (["age", "colour", "age", "id", "kind"], "several columns 'age'"),
    ):
        with pytest.raises(DataError, match=named):
            loaded(write(tmp_path / "t.csv", some_rows(), names))
    write(tmp_path / "train.csv", some_rows())
    (tmp_path / "t.csv").unlink()
    write(tmp_path / "test.csv", some_rows(), ["age", "color", *NAMES[2:]])
    with pytest.raises(DataError, match="the part test has no column 'colour'"):
        loaded(str(tmp_path))


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_those_of_scikit_learn(name: str) -> None:
    published = {"breast_cancer": load_breast_cancer, "wine": load_wine}[name]()
    data, spec = datasets.load(name), DATASETS[name].spec
    parts = (data.train, data.validation, data.test)
    assert tuple(map(len, parts)) == spec.samples and data.num_classes == spec.classes
    fitted = published.data[data.train.sample_ids]
    for part in parts:
        labels = published.target[part.sample_ids]
        assert part.labels.tolist() == (1 - labels if name == "breast_cancer" else labels).tolist()
        expected = (published.data[part.sample_ids] - fitted.mean(0)) / fitted.std(0)
        assert np.allclose(part.inputs, expected, atol=1e-4)
    ids = torch.cat([part.sample_ids for part in parts])
    assert sorted(ids.tolist()) == list(range(len(published.data)))


class TestWine(DatasetConformance):
    name = "wine"


class TestLogisticRegression(ModelConformance):
    name = "logistic_regression"
    shape = (7,)


def test_a_trial_on_a_table() -> None:
    changes = {"epochs": 7, "batch_size": 16, "mixup": 0.2, "loss_reduction": "mean"}
    trial = resolve(
        ("breast_cancer", {"imbalance": "step", "factor": 9}), "mlp", "focal_2", 0, training=changes
    )
    result = run_trial(trial, device=torch.device("cpu"))
    # All benign: 38%.
    assert float((result.test.logits.argmax(1) != result.test.labels).float().mean()) < 0.2


def test_networks_of_images_are_refused() -> None:
    with pytest.raises(CalibsweepError, match="takes image input, but data set 'wine' has table input"):
        resolve("wine", "small_cnn", "brier", 0)
    with pytest.raises(CalibsweepError, match="takes table or image input"):
        resolve("twenty_newsgroups", "logistic_regression", "brier", 0)
