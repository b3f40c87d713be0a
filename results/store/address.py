"""Location of the files of a trial and its evaluations in a store.

The first evaluation of a trial is that on its test set. Its row in trials/ commits the trial. The rows of
other evaluations are in evaluations/, and those of older stores in scored/.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.trial import Component, Trial

if TYPE_CHECKING:
    import pyarrow as pa

TEST = "test"
"""The first evaluation of every trial."""

TRIALS, EVALUATIONS, EARLIER = "trials", "evaluations", "scored"

DATA = {
    TRIALS: {"predictions": "predictions", "epochs": "epochs"},
    EVALUATIONS: {"predictions": "predictions"},
    EARLIER: {"predictions": "scored_predictions"},
}
"""For each folder of rows: the folders of their data, by kind."""

DATA_FOLDERS = tuple(dict.fromkeys(folder for folders in DATA.values() for folder in folders.values()))

LABEL_LENGTH = 100
"""Most characters in a folder's name. File systems allow 255 bytes."""


@dataclass(frozen=True)
class Address:
    """Location of an evaluation's files: the labels of its trial's cell, and its key.

    Attributes:
        key: The trial's, from `Trial.key_on`: for other evaluations than the test set with a second part.
    """

    dataset: str
    model: str
    loss: str
    key: str

    @classmethod
    def of(cls, trial: Trial, evaluation: Component | None = None) -> Address:
        """The address of an evaluation; None for the test set."""
        return cls(trial.dataset.label, trial.model.label, trial.loss.label, trial.key_on(evaluation))

    @classmethod
    def of_row(cls, row: pa.Table) -> Address:
        """The address of a row, from its own values."""
        return cls(*(row[name][0].as_py() for name in ("dataset", "model", "loss", "key")))

    @property
    def trial(self) -> Address:
        """The address of the trial that was evaluated."""
        return dataclasses.replace(self, key=trial_key(self.key))

    @property
    def rows(self) -> tuple[str, ...]:
        """Possible paths of the row: the path of a new one, then that of older stores."""
        on_test_set = self.key == trial_key(self.key)
        return tuple(self.path(kind) for kind in ((TRIALS,) if on_test_set else (EVALUATIONS, EARLIER)))

    @property
    def row(self) -> str:
        """The path of a new row."""
        return self.rows[0]

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


def trial_key(key: str) -> str:
    """The key of a trial, from that of one of its evaluations."""
    return key.partition("-")[0]


def stem(path: str) -> str:
    """The key in the name of a row's file."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet")


@functools.lru_cache(maxsize=1024)
def folder_name(label: str) -> str:
    """A label with characters replaced that are unsafe in file names."""
    # No dot at the start: '..' would leave the store, and '.x' is hidden from many programs.
    plain = re.sub(r"[^\w.+-]+", "-", label, flags=re.ASCII).lstrip(".-")
    return plain[:LABEL_LENGTH].rstrip("-") or "-"
