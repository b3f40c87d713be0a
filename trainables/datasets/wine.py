"""The wine table included in scikit-learn: three growers by a chemical analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.datasets.published_tables import PublishedTable, included
from trainables.registry import register

CLASSES = ["0", "1", "2"]


@register("wine", spec={"input": "table", "classes": 3, "samples": [89, 36, 53]})
class Wine(PublishedTable):
    """178 wines of three growers by 13 measurements, 59 / 71 / 48 of each (Aeberhard and Forina, UCI 1992).

    Args:
        root: Unused: the table comes with scikit-learn.
        validation: Fraction of each class in the validation part.
        test: Fraction of each class in the test part.

    Raises:
        ConfigurationError: A fraction is impossible.
        DataError: scikit-learn or its table is missing.
    """

    def __init__(self, root: Path, validation: float = 0.2, test: float = 0.3):
        table = included("wine_data.csv", "wine")
        labels = table[:, -1].astype(np.int64)
        super().__init__("wine", table[:, :-1], labels, CLASSES, validation, test)
