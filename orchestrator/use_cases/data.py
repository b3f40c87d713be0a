"""Prepares data sets before a sweep needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainables.datasets import prepare as of_files
from trainables.datasets.files import Progress, silent


@dataclass(frozen=True)
class Prepared:
    """Attributes:
    dataset: Its name.
    folder: Folder of its files; None if it comes with a library.
    """

    dataset: str
    folder: Path | None


def prepare(dataset: str, root: Path | str | None = None, *, progress: Progress = silent) -> Prepared:
    """Downloads, verifies and unpacks a data set once. After an interruption, the same call resumes.

    Args:
        root: The folder of the data sets (default: ~/.cache/calibsweep/data).
        progress: Called with the name of a step, its number done, and its total or None.

    Raises:
        ConfigurationError: The name is unknown. Suggests the nearest one.
        DataError: Files are missing or damaged. Says what to do by hand.
    """
    return Prepared(dataset, of_files.prepare(dataset, root, progress))
