"""Tables of numbers and categories, as vectors that depend on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.base import Dataset, Split
from trainables.datasets.parts import PARTS, TRAIN
from trainables.errors import DataError

MOST_INPUTS = 10_000


@dataclass(frozen=True)
class Values:
    """All rows of a table, before they are encoded.

    Attributes:
        name: The table, for messages.
        numbers: float64 [N, A].
        categories: Texts, object [N, B].
        classes: int64 [N].
    """

    name: str
    numbers: np.ndarray
    categories: np.ndarray
    classes: np.ndarray


class TableDataset(Dataset):
    """Rows as vectors, float32 [N, D], encoded by scikit-learn.

    Numbers are scaled to mean 0 and variance 1 in the training part (`StandardScaler`). A category has an
    input for each of its values in the training part, 1 for a row with this value and else 0
    (`OneHotEncoder`). Of other values all are 0.

    Args:
        values: All rows.
        rows: Positions of the rows of each part, which are also the ids.
        num_classes: K.
        held_out: Whether the validation part was drawn from the training rows.

    Raises:
        DataError: The categories have too many values.
    """

    def __init__(
        self, values: Values, rows: Mapping[str, np.ndarray], num_classes: int, held_out: bool = True
    ):
        self.values = values
        self.held_out = held_out
        encoded = _encoded(values, rows[TRAIN])
        train, validation, test = (self._part(encoded, torch.from_numpy(rows[part])) for part in PARTS)
        super().__init__(train, validation, test, num_classes, (encoded.shape[1],))

    def redivide(self, train: Split, validation: Split) -> None:
        encoded = _encoded(self.values, train.sample_ids.numpy())
        self.train, self.validation, self.test = (
            self._part(encoded, part.sample_ids) for part in (train, validation, self.test)
        )
        self.input_shape = (encoded.shape[1],)

    def _part(self, encoded: Tensor, ids: Tensor) -> Split:
        return Split(encoded[ids], torch.from_numpy(self.values.classes)[ids], ids)


def _encoded(values: Values, fitted: np.ndarray) -> Tensor:
    """All rows, float32 [N, D], encoded by the rows `fitted`."""
    # Its import takes a second, which a trial on other data need not wait for.
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encoders: list[tuple[Any, np.ndarray]] = []
    if values.numbers.shape[1]:
        encoders.append((StandardScaler(), values.numbers))
    if values.categories.shape[1]:
        encoders.append((OneHotEncoder(handle_unknown="ignore", sparse_output=False), values.categories))
        inputs = [len(np.unique(column[fitted].astype(str))) for column in values.categories.T]
        if sum(inputs) > MOST_INPUTS:
            raise DataError(
                f"{values.name}: the values of its categories make {sum(inputs):,} inputs, more than "
                f"{MOST_INPUTS:,}: name columns without meaning in ignored."
            )
    found = [encoder.fit(columns[fitted]).transform(columns) for encoder, columns in encoders]
    return torch.from_numpy(np.hstack(found).astype(np.float32))
