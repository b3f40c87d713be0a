"""Published word vectors. Their text is parsed once; then arrays are mapped into memory."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.errors import ConfigurationError, DataError

NAME = re.compile(r"(glove\.6B|glove\.840B|random)\.([1-9]\d*)d")
PUBLISHED_WORDS = {"glove.6B": 400_000, "glove.840B": 2_196_017}
MISSING_RANGE = 0.05
"""Range of the random vectors of words without one, as released by Tai et al. (ACL 2015)."""
RANDOM_RANGE = 0.5
"""Range if no word has a vector: similar to the published vectors."""
LINES = 10_000
"""Lines that are parsed at once."""

Spellings = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a vocabulary. Some words may have none.

    Attributes:
        vectors: float32 [V, dimensions]; rows of words without a vector are undefined.
        known: Whether each word has a vector, bool [V].
        spread: Range of the random initial vectors of the others.
    """

    vectors: Tensor
    known: Tensor
    spread: float = MISSING_RANGE

    @property
    def dimensions(self) -> int:
        return self.vectors.shape[1]

    def initial(self) -> Tensor:
        """Initial values of an embedding, float32 [V, dimensions].

        Words without a vector get a random one from torch's global generator, so it depends on the seed like
        all other initial weights.
        """
        drawn = torch.empty_like(self.vectors).uniform_(-self.spread, self.spread)
        return torch.where(self.known[:, None], self.vectors, drawn)

    def coverage(self, counts: Sequence[int]) -> dict[str, float]:
        """The fraction of a text with a vector, by the frequency of each word [V], for a trial's row."""
        frequencies = torch.tensor(counts, dtype=torch.float64)
        return {
            "word_vector_coverage": float(frequencies[self.known].sum() / frequencies.sum()),
            "vocabulary": len(counts),
            "vocabulary_with_vector": int(self.known.sum()),
        }

    def content(self) -> list[Tensor]:
        """All data of these vectors, for the fingerprint."""
        return [torch.where(self.known[:, None], self.vectors, torch.zeros(1)), self.known]


def word_vectors(
    root: Path, name: str, words: int | None, vocabulary: Sequence[str], spellings: Spellings
) -> WordVectors:
    """The vectors of a vocabulary.

    Args:
        root: The folder that holds `<name>.txt`.
        name: 'glove.6B.<dimensions>d' or 'glove.840B.<dimensions>d' (Pennington et al., 'GloVe: Global
            Vectors for Word Representation', EMNLP 2014), or 'random.<dimensions>d' without words.
        vocabulary: The words.
        words: Use only this many words of the file, the most frequent first; None for all.
        spellings: Returns possible spellings of a word in the file, the preferred one first.

    Raises:
        ConfigurationError: The name or the number of words is invalid.
        DataError: The file is missing, incomplete, or has a line that is not a word and its vector.
    """
    found = NAME.fullmatch(name)
    if not found:
        raise ConfigurationError(
            f"word vectors are glove.6B.<n>d, glove.840B.<n>d or random.<n>d with n dimensions, not {name!r}."
        )
    source, dimensions = found[1], int(found[2])
    if words is not None and (words < 1 or source == "random"):
        raise ConfigurationError(f"{name} cannot be limited to {words} words.")
    if source == "random":
        nothing = torch.zeros(len(vocabulary), dimensions)
        return WordVectors(nothing, torch.zeros(len(vocabulary), dtype=torch.bool), RANDOM_RANGE)
    published = _published(root / f"{name}.txt", dimensions)
    stored, expected = len(published.vectors), words or PUBLISHED_WORDS[source]
    if stored != expected if words is None else stored < expected:
        raise DataError(
            f"{root / name}.txt has {stored:,} words, but {name} has {PUBLISHED_WORDS[source]:,}: use the "
            f"complete file, or limit it to its first words, as in `words: {stored}`."
        )
    return published.of(vocabulary, spellings, expected)


@dataclass(frozen=True)
class _Published:
    """A complete file of vectors.

    Attributes:
        vectors: float32 [W, dimensions], in the order of the file.
        digests: 64-bit digest of each word, ascending, uint64 [W]. Among millions of words a collision is
        very
            unlikely.
        rows: The row of each digest, int64 [W].
    """

    vectors: NDArray[np.float32]
    digests: NDArray[np.uint64]
    rows: NDArray[np.int64]

    def of(self, vocabulary: Sequence[str], spellings: Spellings, words: int) -> WordVectors:
        rows = np.full(len(vocabulary), -1)
        candidates = [(number, way) for number, word in enumerate(vocabulary) for way in spellings(word)]
        asked = _digests(way for _, way in candidates)
        # The first of equal digests: for a word that occurs twice the first occurrence counts.
        places = np.minimum(np.searchsorted(self.digests, asked), len(self.digests) - 1)
        fitting = (self.digests[places] == asked) & (self.rows[places] < words)
        # In reverse, so that the preferred spelling is written last.
        for candidate in np.flatnonzero(fitting)[::-1]:
            rows[candidates[candidate][0]] = self.rows[places[candidate]]
        return WordVectors(
            torch.from_numpy(np.asarray(self.vectors[np.maximum(rows, 0)])), torch.from_numpy(rows >= 0)
        )


def _digests(words: Iterable[str]) -> NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(word.encode(), digest_size=8).digest() for word in words)
    return np.frombuffer(joined, dtype="<u8")


def _published(path: Path, dimensions: int) -> _Published:
    """Maps the arrays of the file from a cache folder beside it, which is created if necessary."""
    try:
        state = path.stat()
    except OSError as error:
        archive = "glove.6B.zip" if path.name.startswith("glove.6B.") else f"{path.stem}.zip"
        raise DataError(
            f"{path} is missing: unpack it from https://nlp.stanford.edu/data/{archive}, or use "
            "`vectors: random.300d`."
        ) from error
    # A replaced file gets another folder.
    folder = path.with_name(f".{path.stem}.{state.st_size}-{state.st_mtime_ns}")
    if not folder.exists():
        _convert(path, dimensions, folder)
    try:
        return _Published(
            np.memmap(folder / "vectors", np.dtype("<f4"), "r").reshape(-1, dimensions),
            np.load(folder / "digests.npy", mmap_mode="r"),
            np.load(folder / "rows.npy", mmap_mode="r"),
        )
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} is damaged ({error}): delete it and run the command again.") from error


def _convert(path: Path, dimensions: int, folder: Path) -> None:
    """Writes the folder under another name first, so that it is there whole or not at all."""
    staging: Path | None = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{path.stem}.", suffix=".reading", dir=path.parent))
        digests = []
        with (staging / "vectors").open("wb") as out:
            for words, vectors in _chunks(path, dimensions):
                digests.append(_digests(words))
                out.write(vectors.astype("<f4").tobytes())
        if not digests:
            raise DataError(f"{path} contains no vectors.")
        every = np.concatenate(digests)
        order = np.argsort(every, kind="stable")
        np.save(staging / "digests.npy", every[order])
        np.save(staging / "rows.npy", order)
        staging.chmod(0o755)
        if not folder.exists():  # Another process may have been faster.
            staging.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise DataError(f"cannot cache {path} in its folder: {error}.") from error
    finally:
        if staging:
            shutil.rmtree(staging, ignore_errors=True)


def _chunks(path: Path, dimensions: int) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Words and vectors [lines, dimensions] of some lines at a time."""
    lines: list[bytes] = []
    before = 0
    with path.open("rb") as file:
        for line in file:
            lines.append(line)
            if len(lines) == LINES:
                yield _parsed(lines, dimensions, path, before)
                before += len(lines)
                lines = []
        if lines:
            yield _parsed(lines, dimensions, path, before)


def _parsed(
    lines: list[bytes], dimensions: int, path: Path, before: int
) -> tuple[list[str], NDArray[np.float32]]:
    # From the right: glove.840B has words with spaces in them.
    fields = [line.rstrip().rsplit(b" ", dimensions) for line in lines]
    words = []
    for number, parts in enumerate(fields, before + 1):
        word = parts[0]
        if len(parts) <= dimensions or not word:
            raise DataError(f"{path}, line {number}: expected a word and {dimensions} numbers.")
        if b" " in word and len(_numbers(word.rpartition(b" ")[2])):
            raise DataError(f"{path}, line {number}: more than {dimensions} numbers.")
        try:
            words.append(word.decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"{path}, line {number}: the word is not UTF-8 text.") from None
    vectors = _numbers(b" ".join(b" ".join(parts[1:]) for parts in fields))
    if len(vectors) != len(lines) * dimensions or not np.isfinite(vectors).all():
        for number, parts in enumerate(fields, before + 1):
            vector = _numbers(b" ".join(parts[1:]))
            if len(vector) != dimensions or not np.isfinite(vector).all():
                raise DataError(
                    f"{path}, line {number}: expected {dimensions} finite numbers after the word."
                )
    return words, vectors.reshape(-1, dimensions)


def _numbers(text: bytes) -> NDArray[np.float32]:
    """The numbers of a text up to the first that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=np.float32, sep=" ")
        except ValueError:
            return np.empty(0, dtype=np.float32)
