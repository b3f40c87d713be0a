"""A user's own labelled texts, from CSV, TSV or Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.datasets import rows
from trainables.datasets.base import Split
from trainables.datasets.parts import TEST, VALIDATION, check_shares, classes_of, completed


@dataclass(frozen=True)
class Texts:
    """Attributes:
    place: The file or folder.
    classes: Their names, in alphabetical order: the label of a class is its position.
    parts: Texts and labels of each part that has a file, in its order; `train` is always there.
    """

    place: Path
    classes: list[str]
    parts: dict[str, tuple[list[str], np.ndarray]]

    def divided(
        self, validation: float, test: float, seed: int
    ) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
        """Texts, labels [N] and ids [N] of all three parts, some of them drawn from the training part.

        An id is the position of a text in the files, `train` first.

        Args:
            validation, test: Shares of these parts, if they have no files.
            seed: Chooses their texts.

        Raises:
            ConfigurationError: A share is impossible.
            DataError: A class has too few texts.
        """
        check_shares(validation, test)
        labels = {part: numbers for part, (_, numbers) in self.parts.items()}
        shares = {VALIDATION: validation, TEST: test}
        first = dict(zip(labels, np.cumsum([0, *map(len, labels.values())]), strict=False))
        found = {}
        for part, (source, at) in completed(labels, shares, seed, self.classes, self.place).items():
            texts, numbers = self.parts[source]
            found[part] = [texts[i] for i in at], numbers[at], first[source] + at
        return found


def split(inputs: Tensor, labels: np.ndarray, ids: np.ndarray) -> Split:
    return Split(inputs, torch.from_numpy(labels), torch.from_numpy(ids))


def read(place: Path, text: str, label: str) -> Texts:
    """Reads a file, or the files train, validation and test of a folder.

    Args:
        text, label: Names of the columns.

    Raises:
        ConfigurationError: A column does not exist.
        DataError: A file is damaged, a value is missing, there is one class, or the classes of parts differ.
    """
    parts = {part: _rows(path, text, label) for part, path in rows.files(place).items()}
    classes = classes_of({part: set(names) for part, (_, names) in parts.items()}, place)
    numbers = {name: number for number, name in enumerate(classes)}
    return Texts(
        place,
        classes,
        {
            part: (texts, np.array([numbers[name] for name in names], dtype=np.int64))
            for part, (texts, names) in parts.items()
        },
    )


def _rows(path: Path, text: str, label: str) -> tuple[list[str], list[str]]:
    """Texts and names of classes."""
    columns = rows.read(path, {"text": text, "label": label}, texts=[text]).columns
    return columns[text], [value.strip() for value in columns[label]]
