"""The Stanford Sentiment Treebank with two classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from trainables.datasets.archives import Archive, obtain
from trainables.datasets.base import Dataset
from trainables.datasets.files import Progress, RemoteFile, missing, silent
from trainables.datasets.trees import NOBODY, Forest, TreeSplit, numbered, read_forest
from trainables.datasets.unpacking import Limits
from trainables.datasets.word_vectors import word_vectors
from trainables.errors import DataError
from trainables.registry import register

NAME = "sst"
FOLDER = "trees"
ARCHIVE = RemoteFile(
    "trainDevTestTrees_PTB.zip",
    "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",
    # According to two programs that download it, one of them from Julia's model zoo.
    sha256="5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",
    size=789_539,
)
LIMITS = Limits(members=20, size=4_000_000)
"""The three files have 3.0 MB."""
FILES = {
    "train.txt": "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7",
    "dev.txt": "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40",
    "test.txt": "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761",
}
"""SHA-256 of each published file."""

SENTIMENTS = 5
"""0 very negative, 1 negative, 2 neutral, 3 positive, 4 very positive."""
NEGATIVE, POSITIVE, NEUTRAL_CLASS = 0, 1, 2

BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
"""The Penn Treebank's spelling of brackets, which it needs for its own syntax."""


@register("sst", spec={"input": "tree"})
class SST(Dataset):
    """Film reviews as parse trees with a sentiment at each node (Socher et al., EMNLP 2013), in two classes.

    Neutral sentences are excluded: 6,920 / 872 / 1,821 remain. A network learns the sentiment of every node
    of the training trees, 0 negative or 1 positive. Validation and test use whole sentences only.

    Args:
        root: The folder that contains `trees` and the file of word vectors.
        neutral: Treatment of neutral nodes in training trees. 'third_class': they form a third class, whose
            logit is dropped in validation and test, so probabilities there are conditional on the sentence
            not being neutral. 'left_out': they have no label.
        vectors: Initial word vectors, a name for `word_vectors`. Words are looked up as written, then in
        lower
            case.
        words: Use only this many words of the file of vectors, the most frequent first; None for all.

    Raises:
        ConfigurationError: The word vectors do not exist.
        DataError: Files are missing, damaged or not the published ones.
    """

    def __init__(
        self,
        root: Path,
        neutral: Literal["third_class", "left_out"] = "third_class",
        vectors: str = "glove.840B.300d",
        words: int | None = None,
    ):
        folder = root / FOLDER
        parts = {name: read_forest(_existing(folder / name), SENTIMENTS) for name in FILES}
        check(folder)
        counted = Counter(word for _, leaves in parts.values() for word in leaves)
        numbers = {word: number for number, word in enumerate(counted)}
        found = word_vectors(root, vectors, words, list(numbers), spellings)
        training_classes = 3 if neutral == "third_class" else 2
        splits, first = {}, 0
        for name, (forest, leaves) in parts.items():
            forest = numbered(forest, leaves, numbers)
            training = name == "train.txt"
            splits[name] = _split(forest, first, training, training_classes if training else 2)
            first += len(forest)
        super().__init__(
            splits["train.txt"],
            splits["dev.txt"],
            splits["test.txt"],
            num_classes=2,
            training_classes=training_classes,
            word_vectors=found,
            measurements=found.coverage(list(counted.values())),
        )

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return obtain(Archive(NAME, ARCHIVE, FOLDER, LIMITS, check), root, progress)


def check(folder: Path) -> None:
    """Raises DataError if a file is missing or not the published one."""
    for name, published in FILES.items():
        path = _existing(folder / name)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != published:
            raise DataError(
                f"{path} is not the published file (SHA-256 {found}, published {published}): delete "
                f"{folder}, then",
                NAME,
            )


def spellings(word: str) -> tuple[str, ...]:
    """Possible spellings of a treebank word in a file of word vectors, the closest first."""
    plain = BRACKETS.get(word, word.replace("\\/", "/").replace("\\*", "*"))
    return tuple(dict.fromkeys([word, plain, word.lower(), plain.lower()]))


def _split(forest: Forest, first: int, training: bool, classes: int) -> TreeSplit:
    """The trees that are not neutral. Ids count the sentences of all three files, starting at `first`."""
    ids = np.flatnonzero(forest.labels[forest.roots] != 2)
    kept = forest.chosen(ids)
    of_sentiment = np.array([NEGATIVE, NEGATIVE, NOBODY, POSITIVE, POSITIVE])
    if classes > NEUTRAL_CLASS:
        of_sentiment[2] = NEUTRAL_CLASS
    node_classes = of_sentiment[kept.labels]
    return TreeSplit(
        inputs=kept,
        labels=torch.from_numpy(node_classes[kept.roots]),
        sample_ids=torch.from_numpy(first + ids),
        labelled="nodes" if training else "roots",
        node_classes=node_classes,
        classes=classes,
    )


def _existing(path: Path) -> Path:
    if not path.exists():
        raise missing(path, NAME)
    return path
