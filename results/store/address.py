"""Location of a trial's files in a store."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.trial import Trial

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_LENGTH = 100
"""Most characters in a folder's name. File systems allow 255 bytes."""


@dataclass(frozen=True)
class Address:
    """Location of a trial's files: the labels of its cell, and its key."""

    dataset: str
    model: str
    loss: str
    key: str

    @classmethod
    def of(cls, trial: Trial) -> Address:
        return cls(trial.dataset.label, trial.model.label, trial.loss.label, trial.key)

    @classmethod
    def of_row(cls, row: pa.Table) -> Address:
        """The address of a row in trials/ or scored/, from its own values."""
        return cls(*(row[name][0].as_py() for name in ("dataset", "model", "loss", "key")))

    @property
    def cell(self) -> str:
        """data set/model: the folder, within each kind of file, of all trials of both."""
        return "/".join(folder_name(label) for label in (self.dataset, self.model))

    def path(self, kind: str, suffix: str = "") -> str:
        """kind/data set/model/loss/key.parquet, with unsafe characters replaced.

        Labels that become equal share a folder. Trials never share a file, since their keys differ.
        """
        folders = "/".join(folder_name(label) for label in (self.dataset, self.model, self.loss))
        return f"{kind}/{folders}/{self.key}{suffix}.parquet"


def stem(path: str) -> str:
    """The key in the name of a row's file."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


@functools.lru_cache(maxsize=1024)
def folder_name(label: str) -> str:
    """A label with characters replaced that are unsafe in file names."""
    # No dot at the start: '..' would leave the store, and '.x' is hidden from many programs.
    plain = re.sub(r"[^\w.+-]+", "-", label, flags=re.ASCII).lstrip(".-")
    return plain[:LABEL_LENGTH].rstrip("-") or "-"
