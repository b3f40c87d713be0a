"""A user's own texts as sequences of words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from trainables.datasets import text_rows
from trainables.datasets.base import Dataset
from trainables.datasets.parts import PARTS, TRAIN, VALIDATION
from trainables.datasets.twenty_newsgroups import PADDING, SEPARATORS, numbered, with_padding
from trainables.datasets.word_vectors import word_vectors
from trainables.errors import ConfigurationError
from trainables.registry import register

MOST_WORDS = 10_000_000
LEAST_LENGTH, MOST_LENGTH = 21, 100_000
"""The least is that of `text_cnn` with its usual window."""


@register(
    "text_table",
    spec={"input": "document", "content": "path", "endings": [".csv", ".tsv", ".parquet"]},
)
class TextTable(Dataset):
    """Your own texts and labels: a CSV, TSV or Parquet file, or a folder with train, validation and test.

    Texts are lowercased, and all punctuation except the apostrophe is removed. The vocabulary consists of the
    most frequent words of the training part. An input consists of the last `length` known words, int32
    [length], padded at the front with 0. A missing validation or test part is drawn from the training part,
    by class.

    Args:
        root: The folder that contains the file of word vectors.
        path: The file or folder. A trial's identity has a digest of its content instead.
        text: Name of the column of texts.
        label: Name of the column of classes.
        length: Number of words in an input, at least 21.
        vocabulary: Largest number of words.
        vectors: Word vectors of the network, a name for `word_vectors`.
        words: Use only this many words of the file of vectors, the most frequent first; None for all.
        validation: Fraction of each class in the validation part, if there is no such file.
        test: Fraction of each class in the test part, if there is no such file.
        split_seed: Chooses the samples of these parts.

    Raises:
        ConfigurationError: A column or the word vectors do not exist, or a number is impossible.
        DataError: A file is damaged, a value is missing, samples are too few, or classes of parts differ.
    """

    def __init__(
        self,
        root: Path,
        path: str,
        text: str = "text",
        label: str = "label",
        length: int = 256,
        vocabulary: int = 20_000,
        vectors: str = "random.100d",
        words: int | None = None,
        validation: float = 0.1,
        test: float = 0.2,
        split_seed: int = 1,
    ):
        for name, value, least, most in (
            ("length", length, LEAST_LENGTH, MOST_LENGTH),
            ("vocabulary", vocabulary, 1, MOST_WORDS),
        ):
            if not least <= value <= most:
                raise ConfigurationError(f"text_table: {name} must lie from {least} to {most}, not {value}.")
        texts = text_rows.read(Path(path), text, label)
        parts = texts.divided(validation, test, split_seed)
        split = {part: list(map(words_of, of)) for part, (of, _, _) in parts.items()}
        counted = Counter(word for one in split[TRAIN] for word in one)
        # Equally frequent words stay in the order of their first occurrence.
        frequent = sorted(counted, key=lambda word: -counted[word])[:vocabulary]
        found = word_vectors(root, vectors, words, frequent, lambda word: [word])
        numbers = {word: number for number, word in enumerate(frequent, PADDING + 1)}
        train, valid, tested = (
            text_rows.split(numbered(split[part], numbers, length), *parts[part][1:]) for part in PARTS
        )
        super().__init__(
            train,
            valid,
            tested,
            num_classes=len(texts.classes),
            input_shape=(length,),
            word_vectors=with_padding(found),
            measurements=found.coverage([counted[word] for word in frequent]) if frequent else None,
        )
        self.held_out = VALIDATION not in texts.parts


def words_of(text: str) -> list[str]:
    return text.translate(SEPARATORS).lower().split()
