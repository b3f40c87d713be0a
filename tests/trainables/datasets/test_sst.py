"""SST: the real treebank, a small one through whole trials, and treebanks that are not."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator import cli
from trainables import datasets
from trainables.datasets import sst
from trainables.datasets.base import Dataset
from trainables.datasets.prepare import prepare
from trainables.datasets.trees import NOBODY, TreeSplit
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve
from trainables.training.checkpoint import decode, encode
from trainables.training.run import TrialRun, load_dataset, run_trial

CPU = torch.device("cpu")
SMALL = ("sst", {"vectors": "random.8d"})
SIZES = {"train.txt": 60, "dev.txt": 25, "test.txt": 30}


def opinion(generator: random.Random) -> str:
    """A tree whose sentiment follows from its words: what there is to learn."""
    words = {0: ["awful", "dull"], 2: ["the", "a", "film", "-LRB-", "Two\\/three"], 4: ["fine", "superb"]}

    def tree(leaves: int, sentiment: int) -> str:
        if leaves == 1:
            return f"({sentiment} {generator.choice(words[sentiment])})"
        left = generator.randint(1, leaves - 1)
        neutral = generator.random() < 0.5
        first = 2 if neutral and leaves > 1 else sentiment
        return f"({sentiment} {tree(left, first)} {tree(leaves - left, sentiment)})"

    return tree(generator.randint(1, 9), generator.choice([0, 4, 4, 0, 2]))


def adopt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the files of a folder the published ones."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sst.FILES}
    monkeypatch.setattr(sst, "FILES", digests)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    generator = random.Random(0)
    folder = tmp_path / sst.FOLDER
    folder.mkdir()
    for name, number in SIZES.items():
        lines = [opinion(generator) for _ in range(number)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    adopt(folder, monkeypatch)
    return tmp_path


def trees(split: object) -> TreeSplit:
    assert isinstance(split, TreeSplit)
    return split


@pytest.mark.slow
def test_the_real_treebank(real: Callable[[str], Path], tmp_path: Path) -> None:
    root = real("sst")
    dataset = datasets.load("sst", root, vectors="random.2d")
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part) for part in parts] == [6920, 872, 1821]
    assert (dataset.num_classes, dataset.training_classes) == (2, 3)
    assert [torch.bincount(part.labels).tolist() for part in parts] == [[3310, 3610], [428, 444], [912, 909]]
    assert torch.cat([part.sample_ids for part in parts]).unique().numel() == 6920 + 872 + 1821
    assert [int(part.sample_ids[-1]) for part in parts] == [8543, 8543 + 1101, 8543 + 1101 + 2210]
    # Counted in the text itself: every node of the trees whose first label is not neutral.
    lines = (root / "trees" / "train.txt").read_text(encoding="utf-8").splitlines()
    labels = Counter(
        before[-1]
        for line in lines
        if line[1] != "2"
        for before in line.replace(" ", "").split("(")[1:]
        for before in [before[:1]]
    )
    train = trees(dataset.train)
    counts = Counter(train.node_classes.tolist())
    assert counts[sst.NEGATIVE] == labels["0"] + labels["1"]
    assert counts[sst.POSITIVE] == labels["3"] + labels["4"]
    assert counts[sst.NEUTRAL_CLASS] == labels["2"]
    left_out = datasets.load("sst", root, vectors="random.2d", neutral="left_out")
    assert left_out.training_classes == 2
    nodes = trees(left_out.train).node_classes
    assert (nodes == NOBODY).sum() == labels["2"] and nodes.max() == 1
    assert left_out.fingerprint != dataset.fingerprint
    assert dataset.fingerprint == datasets.load("sst", root, vectors="random.2d").fingerprint
    assert prepare("sst", root) == root / "trees"


@pytest.mark.slow
def test_coverage_of_the_real_treebank(real: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "trees").symlink_to(real("sst") / "trees")
    shutil.copy(real("glove") / "glove.6B.50d.txt", tmp_path)
    dataset = datasets.load("sst", tmp_path, vectors="glove.6B.50d", words=22_329)
    assert dataset.measurements["word_vector_coverage"] == pytest.approx(0.912, abs=5e-4)
    assert dataset.measurements["vocabulary"] == 21_701
    vectors = dataset.word_vectors
    assert vectors is not None and vectors.dimensions == 50
    other = datasets.load("sst", tmp_path, vectors="glove.6B.50d", words=20_000)
    assert other.fingerprint != dataset.fingerprint


def test_words_are_spelt_as_in_files_of_vectors() -> None:
    assert sst.spellings("-LRB-") == ("-LRB-", "(", "-lrb-")
    assert sst.spellings("Two\\/three") == ("Two\\/three", "Two/three", "two\\/three", "two/three")
    assert sst.spellings("film") == ("film",)


def result_of(root: Path, loss: str = "cross_entropy", dataset: Any = SMALL, **training: Any) -> Any:
    trial = resolve(dataset, ("tree_lstm", {"memory": 10}), loss, 0, training={"epochs": 6, **training})
    return run_trial(trial, root=root, device=CPU)


@pytest.mark.parametrize("neutral", ["third_class", "left_out"])
def test_a_trial_learns_from_nodes_and_is_scored_on_sentences(small: Path, neutral: str) -> None:
    result = result_of(small, dataset=("sst", {"vectors": "random.8d", "neutral": neutral}), epochs=40)
    dataset = datasets.load("sst", small, vectors="random.8d")
    assert result.test.logits.shape == (len(dataset.test), 2)
    assert torch.equal(result.test.labels, dataset.test.labels)
    assert torch.equal(result.validation.sample_ids, dataset.validation.sample_ids)
    assert result.epochs[-1]["test_error"] < 0.2 < result.epochs[0]["test_error"] + 0.1
    assert result.epochs[result.reported_epoch]["validation_error"] == min(
        curves["validation_error"] for curves in result.epochs
    )
    assert result.measurements["word_vector_coverage"] == 0


@pytest.mark.parametrize("loss", ["flsc_531", "adafocal", "mmce", "label_smoothing", "brier"])
def test_a_resumed_trial_ends_bit_for_bit_as_an_undisturbed_one(small: Path, loss: str) -> None:
    expected = result_of(small, loss)
    again = result_of(small, loss)
    trial = expected.trial
    run = TrialRun.start(trial, load_dataset(trial, small, CPU), CPU)
    while not run.done:
        run.advance()
        state = encode(run.state())
        torch.manual_seed(99)
        run = TrialRun(trial, load_dataset(trial, small, CPU), CPU)
        run.restore(decode(state))
    for result in (again, run.result()):
        assert torch.equal(result.test.logits, expected.test.logits)
        assert torch.equal(result.validation.logits, expected.validation.logits)
        assert repr(result.epochs) == repr(expected.epochs)


def test_embeddings_have_their_own_rate_without_decay(small: Path) -> None:
    trial = resolve(
        SMALL, ("tree_lstm", {"memory": 10}), "focal_1", 0, training={"epochs": 1, "batch_size": 60}
    )
    run = TrialRun(trial, load_dataset(trial, small, CPU), CPU)
    before = run.model.embedding.weight.detach().clone()  # type: ignore[union-attr, operator]
    rest = run.model.leaf.weight.detach().clone()  # type: ignore[union-attr, operator]
    run.advance()
    embedding = run.model.embedding.weight  # type: ignore[union-attr]
    moved = before - embedding.detach()  # type: ignore[operator]
    torch.testing.assert_close(moved, 0.1 * embedding.grad, rtol=1e-3, atol=1e-7)  # type: ignore[operator, union-attr]
    # Adagrad's first step has the length of its rate, whatever the gradient.
    first = (rest - run.model.leaf.weight.detach()).abs()  # type: ignore[union-attr, operator]
    assert float(first.max()) == pytest.approx(0.05, rel=1e-3)


def test_a_loss_is_averaged_over_trees(small: Path) -> None:
    dataset = datasets.load("sst", small, vectors="random.8d")
    nodes = len(trees(dataset.train).inputs.words)
    common = {"epochs": 1, "batch_size": 1000, "learning_rate": 1e-9, "embedding_learning_rate": 1e-9}
    losses = {
        reduction: result_of(small, loss_reduction=reduction, **common).epochs[0]
        for reduction in ("sum", "mean", "mean_over_samples")
    }
    of_trees = losses["mean_over_samples"]["train_loss"]
    assert losses["sum"]["train_loss"] == pytest.approx(of_trees)
    assert losses["mean"]["train_loss"] == pytest.approx(of_trees)
    number = len(dataset.train)
    norm = losses["sum"]["gradient_norm"]
    assert losses["mean_over_samples"]["gradient_norm"] == pytest.approx(norm / number, rel=1e-4)
    assert losses["mean"]["gradient_norm"] == pytest.approx(norm / nodes, rel=1e-4)


def spoilt(folder: Path, name: str, line: int, text: str) -> None:
    path = folder / sst.FOLDER / name
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(4 (2 the) (4 film)", r"dev\.txt, line 7: 1 brackets are not closed"),
        ("(5 (2 the) (4 film))", r"dev\.txt, line 7: a label must be 0 to 4, not '5'"),
        ("(4 (2 the) (4 film))", r"dev\.txt is not the published file"),
    ],
)
def test_a_spoilt_treebank_is_one_line_and_exit_code_2(
    small: Path,
    text: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoilt(small, "dev.txt", 7, text)
    before = sorted(small.rglob("*"))
    with pytest.raises(DataError, match=message):
        datasets.load("sst", small, vectors="random.8d")
    options = ["--dataset", "sst: {vectors: random.8d}", "--model", "tree_lstm", "--loss", "brier"]
    monkeypatch.setattr("sys.argv", ["calibsweep", "trial", *options, "--data", str(small)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(rf"calibsweep: .*{message}", line)
    assert sorted(small.rglob("*")) == before


def test_conflicting_options_are_refused(small: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt is missing: .*: calibsweep data prepare sst"):
        datasets.load("sst", small / "elsewhere")
    with pytest.raises(DataError, match=r"glove\.840B\.300d\.txt is missing"):
        datasets.load("sst", small)
    with pytest.raises(
        ConfigurationError, match="takes image or table input, but data set 'sst' has tree input"
    ):
        resolve("sst", "mlp", "brier", 0)
    with pytest.raises(ConfigurationError, match="'mlp' has no trainable embedding"):
        resolve("digits", "mlp", "brier", 0, training={"embedding_learning_rate": 0.1})


def test_a_data_set_moves_its_batches_alone(small: Path) -> None:
    dataset: Dataset = datasets.load("sst", small, vectors="random.8d").to(torch.device("meta"))
    batch, labels = dataset.train.batch(torch.arange(3))
    assert batch.words.device.type == labels.device.type == "meta"
    assert dataset.train.labels.device.type == "cpu"
    assert np.array_equal(trees(dataset.train).inputs.roots, trees(dataset.train).inputs.first[1:] - 1)
