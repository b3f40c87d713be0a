"""Reads data of many trials by the digests in their rows, so that the rows need not be read again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from results.store import data_files, rows
from results.store.address import Address
from results.store.errors import StoreError
from results.store.files import Folder
from results.store.snapshot import side_by_side

R = TypeVar("R")


def data_in(
    folder: Folder, trials: pd.DataFrame, kind: str, of: Callable[[pa.Table], R]
) -> Callable[[Sequence[str]], dict[str, R]]:
    """Reads data of trials on the test set in parallel.

    Args:
        trials: One row per trial, with the labels of the time of storing.
        kind: 'predictions' or 'epochs'.
        of: Applied to each table at once, since all tables may not fit the memory.

    Returns:
        A function from keys to results, without those of unknown keys and of data that cannot be read.
    """

    @functools.cache
    def lines() -> dict[str, tuple[str, ...]]:
        names = ("key", "dataset", "model", "loss", f"{kind}_digest")
        return {line[0]: line for line in zip(*(trials[name].tolist() for name in names), strict=True)}

    def read(key: str) -> tuple[R] | None:
        _, dataset, model, loss, digest = lines()[key]
        path = Address(dataset, model, loss, key).row
        try:
            content = data_files.content_of(folder, path, kind, digest)
            return (of(rows.from_parquet(content)),)
        except (StoreError, rows.DamagedFileError):
            return None

    def read_all(keys: Sequence[str]) -> dict[str, R]:
        known = [key for key in keys if key in lines()]
        found = zip(known, side_by_side(folder, read, known), strict=True)
        return {key: one[0] for key, one in found if one is not None}

    return read_all
