"""Data sets made ready before a sweep needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainables.datasets import prepare as of_files
from trainables.datasets.files import Progress, silent


@dataclass(frozen=True)
class Prepared:
    """Attributes:
    dataset: Its name.
    folder: Where its files lie; None if it comes with a library and needs none.
    """

    dataset: str
    folder: Path | None


def prepare(dataset: str, root: Path | str | None = None, *, progress: Progress = silent) -> Prepared:
    """Downloads, verifies and unpacks a data set once. After an interruption, the same call continues.

    Args:
        root: The folder of the data sets (default: ~/.cache/calibsweep/data).
        progress: Called with the name of each step, the number done of it and the total, if that is known.

    Raises:
        ConfigurationError: An unknown name, with the nearest right one.
        DataError: Files that are missing or damaged, and what to do by hand.
    """
    return Prepared(dataset, of_files.prepare(dataset, root, progress))
