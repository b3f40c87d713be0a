"""Word vectors: read once, looked up as they are spelt, and never from a file that is not whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.datasets import word_vectors as module
from trainables.datasets.word_vectors import WordVectors, word_vectors
from trainables.errors import ConfigurationError, DataError

NAME = "glove.840B.3d"
LINES = ["the 0.5 -1 2e-3", "The 1 1 1", "at name@domain.com 3 2 1", "1 7 8 9", "the 6 6 6", "café 4 4 4"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.PUBLISHED_WORDS, "glove.840B", len(LINES))
    monkeypatch.setattr(module, "LINES", 4)  # so that even this file is read in two parts


def write(folder: Path, lines: list[str], encoding: str = "utf-8") -> Path:
    path = folder / f"{NAME}.txt"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def look_up(folder: Path, *vocabulary: str, words: int | None = None) -> WordVectors:
    return word_vectors(folder, NAME, words, vocabulary, lambda word: [word, word.lower()])


def test_words_have_the_vector_of_their_nearest_spelling(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    found = look_up(tmp_path, "THE", "The", "missing", "CAFÉ", "at name@domain.com", "1")
    assert found.known.tolist() == [True, True, False, True, True, True]
    expected = [[0.5, -1, 2e-3], [1, 1, 1], [4, 4, 4], [3, 2, 1], [7, 8, 9]]
    assert torch.equal(found.vectors[found.known], torch.tensor(expected))
    assert found.coverage([5, 1, 2, 1, 1, 0]) == {
        "word_vector_coverage": 0.8,
        "vocabulary": 6,
        "vocabulary_with_vector": 5,
    }


def test_missing_words_differ_from_seed_to_seed_and_no_others(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    found = look_up(tmp_path, "the", *(f"missing{number}" for number in range(2000)))

    def initial(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return found.initial()

    first, again, other = initial(1), initial(1), initial(2)
    assert torch.equal(first, again) and torch.equal(first[0], other[0])
    assert not torch.isclose(first[1:], other[1:], rtol=0, atol=1e-9).all(dim=1).any()
    assert 0.049 < float(first[1:].abs().max()) <= 0.05 and abs(float(first[1:].mean())) < 0.002
    # What is drawn is no part of the data.
    assert all(torch.equal(a, b) for a, b in zip(found.content(), found.content(), strict=True))


def test_the_text_is_read_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, LINES)
    expected = look_up(tmp_path, "the", "1")
    content = path.read_bytes()
    monkeypatch.setattr(module, "_chunks", lambda *_: pytest.fail("the text was read again"))
    assert torch.equal(look_up(tmp_path, "the", "1").vectors, expected.vectors)
    assert path.read_bytes() == content
    monkeypatch.undo()
    # A file that is replaced is read again, however like the old one it looks.
    monkeypatch.setitem(module.PUBLISHED_WORDS, "glove.840B", len(LINES))
    write(tmp_path, ["the 9 9 9.000", *LINES[1:]])
    assert look_up(tmp_path, "the").vectors.tolist() == [[9, 9, 9]]


def test_a_limit_of_words_keeps_the_first(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    assert look_up(tmp_path, "the", "1", words=3).known.tolist() == [True, False]
    whole = look_up(tmp_path, "the", "The", words=2)
    # The same numbers from a file that has no more than those words.
    short = tmp_path / "short"
    short.mkdir()
    write(short, LINES[:2])
    cut = look_up(short, "the", "The", words=2)
    assert torch.equal(whole.vectors, cut.vectors) and cut.known.all()
    with pytest.raises(
        DataError, match=r"840B\.3d\.txt has 2 words, but glove\.840B\.3d has 6: .*`words: 2`"
    ):
        look_up(short, "the")
    with pytest.raises(DataError, match="has 2 words"):
        look_up(short, "the", words=3)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("short 1 2", "expected a word and 3 numbers"),
        ("", "expected a word and 3 numbers"),
        (" 1 2 3", "expected a word and 3 numbers"),
        ("long 1 2 3 4", "more than 3 numbers"),
        ("garbled 1 2x 3", "expected 3 finite numbers after the word"),
        ("garbled 1 two 3", "expected 3 finite numbers"),
        ("endless 1 inf 3", "expected 3 finite numbers"),
        ("none 1 nan 3", "expected 3 finite numbers"),
        ("split 1  3", "expected 3 finite numbers"),
        ("\udcff 1 2 3", "the word is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("place", [1, 4])
def test_a_bad_line_is_named_and_nothing_is_kept(line: str, problem: str, place: int, tmp_path: Path) -> None:
    lines = [*LINES]
    lines[place] = line
    path = tmp_path / f"{NAME}.txt"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=rf"{NAME}\.txt, line {place + 1}: {problem}"):
        look_up(tmp_path, "the")
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_dies_while_reading_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    write(tmp_path, LINES)
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", killed)
        with pytest.raises(Killed):
            look_up(tmp_path, "the")
    assert look_up(tmp_path, "the").known.all()


def test_a_damaged_cache_is_refused(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    look_up(tmp_path, "the")
    (kept,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (kept / "rows.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"is damaged .*: delete it"):
        look_up(tmp_path, "the")


def test_no_file_no_folder_and_no_such_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"missing: unpack it from .*/glove\.840B\.3d\.zip, or .*random\.300d"
    ):
        look_up(tmp_path, "the")
    write(tmp_path, LINES)

    def refuse(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(module.tempfile, "mkdtemp", refuse)
        with pytest.raises(DataError, match=r"cannot cache .*Permission denied"):
            look_up(tmp_path, "the")
    same: Callable[[str], list[str]] = lambda word: [word]  # noqa: E731
    for name in ("glove.7B.3d", "glove.840B", "glove.840B.0d", "random", "../glove.840B.3d"):
        with pytest.raises(ConfigurationError, match="word vectors are"):
            word_vectors(tmp_path, name, None, [], same)
    for name, words in ((NAME, 0), ("random.3d", 5)):
        with pytest.raises(ConfigurationError, match="cannot be limited"):
            word_vectors(tmp_path, name, words, [], same)
    drawn = word_vectors(tmp_path, "random.4d", None, ["a", "b"], same)
    assert drawn.initial().shape == (2, 4) and not drawn.known.any()


@pytest.mark.slow
def test_the_real_vectors(real: Callable[[str], Path]) -> None:
    root = real("glove")
    lines = (root / "glove.6B.50d.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = [lines[number].split(" ")[0] for number in (0, 100, 22_328)]
    found = word_vectors(root, "glove.6B.50d", 22_329, [*vocabulary, "engrossing"], lambda word: [word])
    assert found.known.tolist() == [True, True, True, False]
    for row, number in zip(found.vectors, (0, 100, 22_328), strict=False):
        assert row.tolist() == np.array(lines[number].split(" ")[1:], dtype=np.float32).tolist()
    with pytest.raises(DataError, match=r"22,329 words, but glove\.6B\.50d has 400,000"):
        word_vectors(root, "glove.6B.50d", None, vocabulary, lambda word: [word])
