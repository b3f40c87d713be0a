"""20 Newsgroups: the real posts, a small set of them through whole trials, and posts that are none."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables import datasets
from trainables.datasets import newsgroups, twenty_newsgroups
from trainables.datasets.prepare import prepare
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve
from trainables.training.run import run_trial

CPU = torch.device("cpu")
HEADER = "From: someone\nSubject: something\n\n"
PER_GROUP = 10


def adopt(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the posts that are there the published ones."""
    monkeypatch.setattr(newsgroups, "DIGEST", newsgroups.read(root / newsgroups.FOLDER).digest)


def post(root: Path, group: str, name: str, content: bytes) -> Path:
    path = root / newsgroups.FOLDER / group / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Posts whose words tell their group."""
    generator = random.Random(0)
    for label, group in enumerate(newsgroups.GROUPS):
        for number in range(PER_GROUP):
            own = [f"topic{label}"] * generator.randint(2, 6)
            words = own + generator.choices(["I", "think,", "that's", "It", "(maybe)"], k=8)
            generator.shuffle(words)
            post(tmp_path, group, str(1000 + number), (HEADER + " ".join(words)).encode())
    monkeypatch.setattr(newsgroups, "VALIDATION", 20)
    monkeypatch.setattr(twenty_newsgroups, "LENGTH", 30)
    adopt(tmp_path, monkeypatch)
    return tmp_path


@pytest.mark.slow
def test_the_real_posts(real: Callable[[str], Path]) -> None:
    root = real("20newsgroups")
    dataset = datasets.load("twenty_newsgroups", root, vectors="random.2d")
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part) for part in parts] == [15_098, 900, 3999]
    assert dataset.num_classes == 20 and dataset.input_shape == (1000,)
    ids = torch.cat([part.sample_ids for part in parts])
    assert ids.sort().values.tolist() == list(range(19_997))
    labels = torch.cat([part.labels for part in parts])
    assert torch.bincount(labels).tolist() == [997 if group == 15 else 1000 for group in range(20)]
    # The 26th post of a group of the set, from its file; not one of its words is rare.
    place = 25 + 2 * 1000
    path = sorted((root / newsgroups.FOLDER / newsgroups.GROUPS[2]).iterdir())[25]
    words = re.split(r"[^a-z0-9'\xa0-\xff]+", path.read_text("latin-1").partition("\n\n")[2].lower())
    (part,) = (part for part in parts if place in part.sample_ids)
    row = part.inputs[part.sample_ids == place][0]
    assert 0 < int((row != 0).sum()) <= len([word for word in words if word])
    assert int(row.max()) <= 19_999 and row.dtype == torch.int32
    # The most frequent words of English.
    everything = torch.cat([part.inputs for part in parts]).flatten().long()
    assert torch.bincount(everything)[1:].argmax() == 0
    assert prepare("twenty_newsgroups", root) == root / newsgroups.FOLDER


def test_the_split_is_the_published_one() -> None:
    train, validation, test = newsgroups.split(19_997)
    assert (len(train), len(validation), len(test)) == (15_098, 900, 3999)
    assert torch.cat([train, validation, test]).sort().values.tolist() == list(range(19_997))
    import numpy as np

    np.random.seed(1)  # noqa: NPY002 - as the released code has it
    indices = np.arange(19_997)
    np.random.shuffle(indices)  # noqa: NPY002
    assert test.tolist() == indices[-3999:].tolist() and validation.tolist() == indices[-4899:-3999].tolist()


def test_words_are_cut_counted_and_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for group in newsgroups.GROUPS:
        post(tmp_path, group, "1", f"{HEADER}it it it it rare{group.replace('.', '')}".encode())
    long = " ".join(f"it's that_that {number}" for number in range(10))
    path = post(tmp_path, "alt.atheism", "2", f"{HEADER}{long}\tthe (LAST) caf\xe9".encode("latin-1"))
    post(tmp_path, "alt.atheism", "notes", b"no post")
    monkeypatch.setattr(newsgroups, "VALIDATION", 4)
    monkeypatch.setattr(twenty_newsgroups, "WORDS", 4)
    monkeypatch.setattr(twenty_newsgroups, "LENGTH", 12)
    adopt(tmp_path, monkeypatch)
    dataset = datasets.load("twenty_newsgroups", tmp_path, vectors="random.5d")
    inputs = {}
    for part in (dataset.train, dataset.validation, dataset.test):
        inputs |= dict(zip(part.sample_ids.tolist(), part.inputs.tolist(), strict=True))
    # it 80 times, that 20 times, it's 10 times; all others are rare.
    assert inputs[0] == [0] * 8 + [1] * 4
    assert inputs[1] == [3, 2, 2] * 4
    vectors = dataset.word_vectors
    assert vectors is not None and vectors.vectors.shape == (4, 5)
    assert vectors.initial()[0].tolist() == [0] * 5 and vectors.initial()[1:].abs().min() > 0
    assert path.exists()


def test_a_trial_learns_and_is_the_same_twice(small: Path) -> None:
    def result() -> Any:
        network = ("text_cnn", {"channels": 32, "window": 2})
        settings = {"epochs": 30, "batch_size": 16, "learning_rate": 0.01}
        dataset = ("twenty_newsgroups", {"vectors": "random.12d"})
        trial = resolve(dataset, network, "cross_entropy", 0, training=settings)
        return run_trial(trial, root=small, device=CPU)

    first, second = result(), result()
    assert first.test.logits.shape == (40, 20)
    assert min(curves["test_error"] for curves in first.epochs) < 0.5
    assert torch.equal(first.test.logits, second.test.logits)
    assert first.measurements["vocabulary"] == 25 and "word_vector_coverage" in first.measurements


def spoil_unknown(root: Path) -> str:
    post(root, "comp.lang.python", "1", b"text")
    return r"20_newsgroup/comp\.lang\.python is not one of the 20 groups"


def spoil_bytes(root: Path) -> str:
    post(root, "sci.med", "1000", b"From: a\n\nby\0te")
    return r"sci\.med/1000 is not text: byte 12 is 0"


def spoil_other(root: Path) -> str:
    post(root, "sci.med", "1000", b"From: a\n\nother")
    return r"does not have the 19,997 original posts \(200 posts, SHA-256 .*data prepare twenty_newsgroups"


def spoil_unreadable(root: Path) -> str:
    post(root, "sci.med", "1000", b"").unlink()
    (root / newsgroups.FOLDER / "sci.med" / "1000").mkdir()
    return r"cannot read .*sci\.med/1000: Is a directory"


def spoil_group(root: Path) -> str:
    (root / newsgroups.FOLDER / "sci.med").rename(root / "sci.med")
    return r"20_newsgroup/sci\.med is missing: .*: calibsweep data prepare twenty_newsgroups"


@pytest.mark.parametrize("spoil", [spoil_unknown, spoil_bytes, spoil_other, spoil_unreadable, spoil_group])
def test_a_file_other_than_the_posts_is_named(small: Path, spoil: Callable[[Path], str]) -> None:
    message = spoil(small)
    before = sorted(small.rglob("*"))
    with pytest.raises(DataError, match=message):
        datasets.load("twenty_newsgroups", small, vectors="random.5d")
    assert sorted(small.rglob("*")) == before


def test_models_of_other_input_are_refused() -> None:
    for model in ("small_cnn", "tree_lstm"):
        with pytest.raises(ConfigurationError, match="'twenty_newsgroups' has document input"):
            resolve("twenty_newsgroups", model, "brier", 0)
