"""Tables of labelled texts: three formats with the same content, divided by class, refused if wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from trainables import datasets
from trainables.catalogue import DATASETS
from trainables.datasets import text_rows
from trainables.datasets.rows import ENDINGS
from trainables.errors import CalibsweepError, ConfigurationError, DataError
from trainables.resolve import resolve
from trainables.training.run import load_dataset, run_trial

CPU = torch.device("cpu")
WORDS = {"sport": "goal match, team", "10": 'chip\nbyte "disk"', "2": "vote state law"}
ROWS = [(f"{text} again {i % 4}", label) for i in range(9) for label, text in WORDS.items()][:-2]


def write(path: Path, rows: list[tuple[str, str]] = ROWS, names: tuple[str, str] = ("text", "label")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(
            pa.table(
                {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
            ),
            path,
        )
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([names, *rows])
    return path


def test_formats_agree_and_parts_are_drawn_by_class(tmp_path: Path) -> None:
    loaded = [
        datasets.load("text_table", path=str(write(tmp_path / f"t{ending}")), length=23, split_seed=3)
        for ending in ENDINGS
    ]
    first, *others = loaded
    assert {each.fingerprint for each in others} == {first.fingerprint}
    # Of 9, 8 and 8 texts of the classes 10, 2, sport.
    counts = [torch.bincount(part.labels).tolist() for part in (first.train, first.validation, first.test)]
    assert counts == [[5, 5, 6], [1, 1, 1], [2, 2, 2]]
    ids = torch.cat([part.sample_ids for part in (first.train, first.validation, first.test)])
    assert sorted(ids.tolist()) == list(range(len(ROWS)))
    classes = sorted(WORDS)
    for part in (first.train, first.test):
        named = [classes[label] for label in part.labels.tolist()]
        assert named == [ROWS[i][1] for i in part.sample_ids.tolist()]
    # Five words each, such as 'goal match team again 1', after padding.
    assert first.train.inputs.shape == (16, 23)
    assert torch.equal((first.train.inputs > 0).sum(dim=0), 16 * (torch.arange(23) >= 18))
    assert first.word_vectors is not None and not first.word_vectors.vectors[0].any()


def test_given_parts_and_columns(tmp_path: Path) -> None:
    for name, rows in (("train.csv", ROWS), ("val.tsv", ROWS[:7]), ("test.parquet", ROWS[5:])):
        write(tmp_path / name, rows, ("body", "topic"))
    data = datasets.load("text_table", path=str(tmp_path), text="body", label="topic")
    assert [len(data.train), len(data.validation), len(data.test)] == [25, 7, 20]
    assert data.test.sample_ids.tolist() == list(range(32, 52))


def test_a_trial_learns_the_words(tmp_path: Path) -> None:
    """The key has no path, and every text of the test part is classified by its words."""
    keys = set()
    for place in ("a", "b"):
        path = write(tmp_path / place / "t.csv", ROWS * 4)
        cell = ("text_table", {"path": str(path), "length": 22, "vectors": "random.12d"})
        settings = {"epochs": 6, "batch_size": 16, "learning_rate": 0.01}
        trial = resolve(cell, ("text_cnn", {"channels": 8}), "focal_1", 0, training=settings)
        keys.add(trial.key)
    assert len(keys) == 1 and str(tmp_path) not in str(trial.identity())
    result = run_trial(trial, root=tmp_path, device=CPU)
    test = load_dataset(trial, tmp_path, CPU).test
    assert (torch.as_tensor(result.test.logits).argmax(dim=1) == test.labels).double().mean() > 0.9


def one_class(folder: Path) -> None:
    write(folder / "t.csv", [row for row in ROWS if row[1] == "2"])


def blank(folder: Path) -> None:
    write(folder / "t.csv", [*ROWS[:5], ("  ", "2"), *ROWS])


def null(folder: Path) -> None:
    write(folder / "t.csv").unlink()
    pq.write_table(pa.table({"text": ["a", "b"], "label": [1, None]}), folder / "t.csv")


def other_column(folder: Path) -> None:
    write(folder / "t.csv", names=("texts", "label"))


def ragged(folder: Path) -> None:
    write(folder / "t.csv")
    with (folder / "t.csv").open("a") as file:
        file.write("a,b,c\n")


def few(folder: Path) -> None:
    write(folder / "t.csv", [*ROWS, ("a", "rare"), ("b", "rare")])


def latin(folder: Path) -> None:
    (folder / "t.csv").write_bytes("text,label\né,1".encode("latin-1"))


@pytest.mark.parametrize(
    ("change", "kind", "cause"),
    [
        (one_class, DataError, "only the class '2'"),
        # Line breaks in texts count: lines 2, 3, 4 to 5, 6, 7, 8 precede it.
        (blank, DataError, "'text' is empty"),
        (null, DataError, "row 2: 'label' is empty"),
        (other_column, ConfigurationError, "Did you mean 'texts'"),
        (ragged, DataError, "has 3 values instead of 2"),
        (few, DataError, "'rare' has too few"),
        (latin, DataError, "byte 12"),
    ],
)
def test_wrong_tables_are_one_line(
    tmp_path: Path, change: Callable[[Path], None], kind: type[CalibsweepError], cause: str
) -> None:
    change(tmp_path)
    with pytest.raises(kind) as refused:
        datasets.load("text_table", path=str(tmp_path / "t.csv"))
    (line,) = refused.value.lines
    assert cause in line


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [("a\nb", "1"), ("c", "1"), ("", "2")])
    with pytest.raises(DataError, match="line 5:"):
        text_rows.read(tmp_path / "t.csv", "text", "label")
    long = "word " * 40_000
    write(tmp_path / "t.csv", [(long, "1"), ("c", "2")])
    texts, labels = text_rows.read(tmp_path / "t.csv", "text", "label").parts["train"]
    assert texts == [long, "c"] and np.array_equal(labels, [0, 1])


@pytest.mark.parametrize("name", ["text_table", "text_table_bert"])
def test_the_digest_covers_the_files_that_are_read(name: str) -> None:
    assert DATASETS[name].spec.endings == ENDINGS
