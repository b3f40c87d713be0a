"""20 Newsgroups as sequences of words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from trainables.datasets import newsgroups
from trainables.datasets.base import Dataset, Split
from trainables.datasets.files import Progress, silent
from trainables.datasets.word_vectors import WordVectors, word_vectors
from trainables.registry import register

WORDS = 20_000
"""Numbers of words: the most frequent have 1 to 19,999."""
PADDING = 0
LENGTH = 1000

SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


@register("twenty_newsgroups", spec={"input": "document"})
class TwentyNewsgroups(Dataset):
    """The original 19,997 posts to 20 newsgroups (Lang, ICML 1995): 15,098 / 900 / 3,999.

    Of a post counts what follows its header, in lower case, without punctuation but the apostrophe, and of
    that the words that are among the 19,999 most frequent of all posts. An input is the last 1,000 of these,
    int32 [1000], with 0s before them where there are fewer.

    Args:
        root: The folder that holds `20_newsgroup` and the file of word vectors.
        vectors: Which word vectors the network has, as `word_vectors` names them.
        words: How many words of the file of vectors count, from its most frequent; None for all.

    Raises:
        ConfigurationError: Word vectors that there are none of.
        DataError: Files that are missing, damaged or not the published ones.
    """

    def __init__(self, root: Path, vectors: str = "glove.6B.100d", words: int | None = None):
        posts = newsgroups.published(root)
        split = [text.translate(SEPARATORS).lower().split(" ") for text in posts.texts]
        counted = Counter(word for text in split for word in text if word)
        # Words that are equally frequent stay in the order in which they first occur.
        frequent = sorted(counted, key=lambda word: -counted[word])[: WORDS - 1]
        found = word_vectors(root, vectors, words, frequent, lambda word: [word])
        numbers = {word: number for number, word in enumerate(frequent, PADDING + 1)}
        inputs = torch.full((len(split), LENGTH), PADDING, dtype=torch.int32)
        for row, text in zip(inputs, split, strict=True):
            known = [numbers[word] for word in text if word in numbers][-LENGTH:]
            row[LENGTH - len(known) :] = torch.tensor(known, dtype=torch.int32)

        def part(ids: Tensor) -> Split:
            return Split(inputs[ids], posts.labels[ids], ids)

        train, validation, test = newsgroups.split(len(inputs))
        super().__init__(
            part(train),
            part(validation),
            part(test),
            num_classes=len(newsgroups.GROUPS),
            input_shape=(LENGTH,),
            word_vectors=_with_padding(found),
            measurements=found.coverage([counted[word] for word in frequent]),
        )

    @classmethod
    def prepare(cls, root: Path, progress: Progress = silent) -> Path | None:
        return newsgroups.prepare(root, progress)


def _with_padding(found: WordVectors) -> WordVectors:
    """The same with the padding's vector before them, which is zero."""
    return WordVectors(
        torch.cat([torch.zeros(1, found.dimensions), found.vectors]),
        torch.cat([torch.ones(1, dtype=torch.bool), found.known]),
        found.spread,
    )
