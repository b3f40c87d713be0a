"""The breast cancer table of Wisconsin, included in scikit-learn: rare and frequent diagnoses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainables.datasets.published_tables import PublishedTable, included
from trainables.registry import register

CLASSES = ["benign", "malignant"]


@register(
    "breast_cancer",
    spec={"input": "table", "classes": 2, "samples": [285, 113, 171]},
)
class BreastCancer(PublishedTable):
    """569 tumours by 30 measurements of cell nuclei, 357 benign, 212 malignant (Street et al., SPIE 1993).

    Class 0 is benign and class 1 malignant, so that a long-tailed form has few malignant ones. scikit-learn
    has them the other way round.

    Args:
        root: Unused: the table comes with scikit-learn.
        validation: Fraction of each class in the validation part.
        test: Fraction of each class in the test part.

    Raises:
        ConfigurationError: A fraction is impossible.
        DataError: scikit-learn or its table is missing.
    """

    def __init__(self, root: Path, validation: float = 0.2, test: float = 0.3):
        table = included("breast_cancer.csv", "breast_cancer")
        labels = 1 - table[:, -1].astype(np.int64)
        super().__init__("breast_cancer", table[:, :-1], labels, CLASSES, validation, test)
