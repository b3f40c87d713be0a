"""The tables included in scikit-learn, read without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from trainables.datasets.parts import TEST, TRAIN, VALIDATION, check_shares, completed
from trainables.datasets.tables import TableDataset, Values
from trainables.errors import DataError

SPLIT_SEED = 1
"""The split is fixed: it does not depend on a trial's seed."""


def included(name: str, dataset: str, header: bool = True) -> np.ndarray:
    """A file of scikit-learn as numbers [N, columns], float64.

    Args:
        header: Whether the first line has numbers of rows and columns, and names.

    Raises:
        DataError: scikit-learn or the file is missing.
    """
    found = importlib.util.find_spec("sklearn")
    path = (Path(found.origin).parent if found and found.origin else Path()) / "datasets" / "data" / name
    if not path.is_file():
        raise DataError(
            f"the data of {dataset} come with scikit-learn, whose installation is incomplete: reinstall it."
        )
    return np.loadtxt(path, delimiter=",", skiprows=int(header))


class PublishedTable(TableDataset):
    """A table of scikit-learn with numbers alone, divided at random by class.

    Args:
        name: Of the data set, for messages.
        numbers: [N, columns], float64.
        labels: Class of each row, int64 [N].
        classes: Names of the classes, for messages.
        validation, test: Fractions of each class in these parts.

    Raises:
        ConfigurationError: A fraction is impossible.
    """

    def __init__(
        self,
        name: str,
        numbers: np.ndarray,
        labels: np.ndarray,
        classes: list[str],
        validation: float,
        test: float,
    ):
        check_shares(validation, test)
        shares = {VALIDATION: validation, TEST: test}
        divided = completed({TRAIN: labels}, shares, SPLIT_SEED, classes, Path(name))
        values = Values(name, numbers, np.empty((len(numbers), 0), dtype=object), labels)
        super().__init__(values, {part: rows for part, (_, rows) in divided.items()}, len(classes))
