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


def included(name: str, dataset: str) -> np.ndarray:
    """A file of scikit-learn as numbers [N, columns], float64.

    Raises:
        DataError: scikit-learn or the file is missing.
    """
    found = importlib.util.find_spec("sklearn")
    path = (Path(found.origin).parent if found and found.origin else Path()) / "datasets" / "data" / name
    if not path.is_file():
        raise DataError(
            f"the data of {dataset} come with scikit-learn, whose installation is incomplete: reinstall it."
        )
    # Of the tables, the first line has numbers of rows and columns, and names.
    return np.loadtxt(path, delimiter=",", skiprows=0 if name.startswith("digits") else 1)


class PublishedTable(TableDataset):
    """A table of scikit-learn, divided at random by class.

    Args:
        values: All rows.
        classes: Names of the classes, for messages.
        validation, test: Fractions of each class in these parts.

    Raises:
        ConfigurationError: A fraction is impossible.
    """

    def __init__(self, values: Values, classes: list[str], validation: float, test: float):
        check_shares(validation, test)
        divided = completed(
            {TRAIN: values.classes},
            {VALIDATION: validation, TEST: test},
            SPLIT_SEED,
            classes,
            Path(values.name),
        )
        super().__init__(values, {part: rows for part, (_, rows) in divided.items()}, len(classes))
