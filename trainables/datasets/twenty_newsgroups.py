"""20 Newsgroups as sequences of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trainables.datasets import newsgroups
from trainables.datasets.base import Dataset
from trainables.datasets.files import Progress, silent
from trainables.datasets.word_vectors import WordVectors, word_vectors
from trainables.registry import register

WORDS = 20_000
"""Size of the vocabulary: the most frequent words have the numbers 1 to 19,999."""
PADDING = 0
LENGTH = 1000

SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


@register("twenty_newsgroups", spec={"input": "document"})
class TwentyNewsgroups(Dataset):
    """The original 19,997 posts to 20 newsgroups (Lang, ICML 1995): 15,098 / 900 / 3,999.

    The text after the header is lowercased, and all punctuation except the apostrophe is removed. The
    vocabulary consists of the 19,999 most frequent words of all posts. An input consists of the last 1,000
    known words, int32 [1000], padded at the front with 0.

    Args:
        root: The folder that contains `20_newsgroup` and the file of word vectors.
        vectors: Word vectors of the network, a name for `word_vectors`.
        words: Use only this many words of the file of vectors, the most frequent first; None for all.

    Raises:
        ConfigurationError: The word vectors do not exist.
        DataError: Files are missing, damaged or not the published ones.
    """

    def __init__(self, root: Path, vectors: str = "glove.6B.100d", words: int | None = None):
        posts = newsgroups.published(root)
        split = [text.translate(SEPARATORS).lower().split(" ") for text in posts.texts]
        counted = Counter(word for text in split for word in text if word)
        # Equally frequent words stay in the order of their first occurrence.
        frequent = sorted(counted, key=lambda word: -counted[word])[: WORDS - 1]
        found = word_vectors(root, vectors, words, frequent, lambda word: [word])
        numbers = {word: number for number, word in enumerate(frequent, PADDING + 1)}
        super().__init__(
            *newsgroups.parts(numbered(split, numbers, LENGTH), posts.labels),
            num_classes=len(newsgroups.GROUPS),
            input_shape=(LENGTH,),
            word_vectors=with_padding(found),
            measurements=found.coverage([counted[word] for word in frequent]),
        )

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return newsgroups.prepare(root, progress)


def numbered(texts: Sequence[list[str]], numbers: Mapping[str, int], length: int) -> Tensor:
    """The last known words of each text, int32 [N, length], padded at the front."""
    inputs = torch.full((len(texts), length), PADDING, dtype=torch.int32)
    for row, text in zip(inputs, texts, strict=True):
        known = [numbers[word] for word in text if word in numbers][-length:]
        row[length - len(known) :] = torch.tensor(known, dtype=torch.int32)
    return inputs


def with_padding(found: WordVectors) -> WordVectors:
    """Prepends the vector of the padding, which is zero."""
    return WordVectors(
        torch.cat([torch.zeros(1, found.dimensions), found.vectors]),
        torch.cat([torch.ones(1, dtype=torch.bool), found.known]),
        found.spread,
    )
