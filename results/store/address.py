"""Where in a store a trial's files lie."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.trial import Trial

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_LENGTH = 100
"""Of a folder's name, in characters. File systems take 255 bytes."""


@dataclass(frozen=True)
class Address:
    """Where a trial's files lie: the labels of its cell, and its key."""

    dataset: str
    model: str
    loss: str
    key: str

    @classmethod
    def of(cls, trial: Trial) -> Address:
        return cls(trial.dataset.label, trial.model.label, trial.loss.label, trial.key)

    @classmethod
    def of_row(cls, row: pa.Table) -> Address:
        """Of a row in trials/ or scored/, by its own values."""
        return cls(*(row[name][0].as_py() for name in ("dataset", "model", "loss", "key")))

    @property
    def cell(self) -> str:
        """data set/model: the folder, in each kind of file's, of all trials of both."""
        return "/".join(folder_name(label) for label in (self.dataset, self.model))

    def path(self, kind: str, suffix: str = "") -> str:
        """kind/data set/model/loss/key.parquet, with what no file name should have replaced.

        Labels that become alike share a folder. Trials do not share a file: the key tells them apart.
        """
        folders = "/".join(folder_name(label) for label in (self.dataset, self.model, self.loss))
        return f"{kind}/{folders}/{self.key}{suffix}.parquet"


def stem(path: str) -> str:
    """What a row's file is called: its key."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


@functools.lru_cache(maxsize=1024)
def folder_name(label: str) -> str:
    """A label with what no file name should have replaced."""
    # No dot at the start: '..' would leave the store, and '.x' is hidden from many readers.
    plain = re.sub(r"[^\w.+-]+", "-", label, flags=re.ASCII).lstrip(".-")
    return plain[:LABEL_LENGTH].rstrip("-") or "-"
