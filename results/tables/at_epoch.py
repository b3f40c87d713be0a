"""Tables of the scores after a fixed epoch, from learning curves, beside those of the reported epoch.

The columns of curves have the names of a row's scores (docs/protocol.md, section 7). Curves of earlier
versions lack some, and logits of other epochs than the reported one are not stored: so there are no noise
floors, and losses are compared over seeds alone.
"""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from results.scoring.scores import UNCALIBRATED, criterion_of, known_metrics
from results.store.store import Store
from results.store.stored_data import data_in
from results.tables import captions, names
from results.tables.evaluations import on_test_set
from results.tables.layout import UNDEFINED, Table
from results.tables.table import build, needed
from results.wording import counted
from trainables.errors import ConfigurationError

REPORTED = {"best_validation_accuracy": "that of the best validation accuracy", "last": "the last"}
"""The reported epoch in words, by the setting of that name."""


@dataclass(frozen=True)
class AtEpoch:
    """The learning curves of a trial at one epoch.

    Attributes:
        epochs: Number of epochs of the trial; 0 if its curves are missing or damaged.
        numbers: By column, in the unit of the column of scores, NaN if undefined; empty without the epoch.
    """

    epochs: int
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Epoch:
    """The learning curves of the trials of some tables at one epoch.

    Attributes:
        number: From 1.
        trials: One row per trial on the test set.
        found: The curves, by key.
    """

    number: int
    trials: pd.DataFrame
    found: Mapping[str, AtEpoch]

    @classmethod
    def read(
        cls, store: Store, evaluations: pd.DataFrame, expected: pd.DataFrame | None, number: int
    ) -> Epoch:
        """Reads the learning curves of trials.

        Args:
            evaluations, expected: As for `build`.

        Raises:
            ConfigurationError: No trial has the epoch.
        """
        trials = on_test_set(evaluations)
        if expected is not None:
            trials = trials[trials["key"].isin(set(expected["key"]))]
        keys = trials["key"].tolist()
        read = data_in(store.folder, trials, "epochs", lambda curves: _at(curves, number))(keys)
        found = {key: read.get(key, AtEpoch(0, {})) for key in keys}
        if found and not any(each.numbers for each in found.values()):
            longest = counted(max(each.epochs for each in found.values()), "epoch")
            raise ConfigurationError(f"no trial has an epoch {number}: the longest curves have {longest}.")
        return cls(number, trials, found)

    @functools.cached_property
    def columns(self) -> set[str]:
        """The columns of which at least one trial has a number."""
        return {name for each in self.found.values() for name in each.numbers}

    def metrics(self, asked: Sequence[str], default: Sequence[str]) -> list[str]:
        """The metrics asked for, or else the default ones, that the curves have.

        Raises:
            ConfigurationError: The curves lack a metric that was asked for.
        """
        there = [name for name in known_metrics() if f"test_{name}" in self.columns]
        for name in asked:
            if name not in there:
                raise ConfigurationError(
                    f"the learning curves have no metric {name!r}, only {', '.join(there)}."
                )
        return [*asked] or [name for name in default if name in there]

    def beside(self, built: Sequence[Table], expected: pd.DataFrame | None, calibrator: str) -> list[Table]:
        """The tables of the reported epoch, each followed by that of this epoch.

        Args:
            built: From `build`, on the test set, of metrics from `metrics`.
            expected, calibrator: As for `build`.
        """
        metrics = [table.metric.name for table in built]
        criterion = criterion_of(calibrator)
        after = {score.column for score in needed(metrics, calibrator) if score.calibrator != UNCALIBRATED}
        # A column in which no trial has a number would only take room.
        scaled = after <= self.columns
        of_rows = sorted({*self.trials.columns} & self.columns)
        numbers = {
            name: [self.found[key].numbers.get(name, math.nan) for key in self.trials["key"]]
            for name in of_rows
        }
        frame = self.trials.assign(**numbers)
        made = build(frame, expected, calibrator if scaled else UNCALIBRATED, metrics)
        by_metric = {table.metric.name: table for table in made}
        own = "; T is the epoch's own temperature" if scaled and after else ""
        notes = [
            f"Epoch {self.number}: the scores after this epoch, from the learning curves{own}. The other "
            f"scores are those of the reported epoch, {self._reported}.",
            *self._notes_on_missing(after if scaled else set()),
        ]
        if not scaled:
            notes.append(
                f"Epoch {self.number}: only before scaling, since the version of calibsweep that trained "
                f"these networks did not record scores after scaling by {criterion} at each epoch."
            )
        pairs = ((table, self._titled(by_metric[table.metric.name], table, notes)) for table in built)
        return [each for pair in pairs for each in pair]

    def _titled(self, table: Table, reported: Table, notes: Sequence[str]) -> Table:
        """The table of this epoch, with its epoch in all texts."""
        before = f" {reported.heading('before')}" if reported.scaled and not table.scaled else ""
        marks = (
            f"At epoch {self.number} there are no floors, and losses are compared over matched seeds alone: "
            "its logits are not stored."
        )
        return replace(
            table,
            metric=replace(table.metric, title=f"{table.metric.title}{before}, epoch {self.number}"),
            about=captions.about(table.metric, f"{table.data} after epoch {self.number}"),
            numbers=reported.numbers,
            bold=marks if table.bold else "",
            notes=(*table.notes, *notes),
            epoch=self.number,
        )

    @property
    def _reported(self) -> str:
        settings = {
            json.loads(text)["training"].get("reported_epoch", "last") for text in self.trials["identity"]
        }
        return " or ".join(REPORTED.get(each, each) for each in sorted(settings))

    def _notes_on_missing(self, after: Set[str]) -> Iterator[str]:
        """Why cells have no number, by reason."""
        places: dict[str, set[str]] = defaultdict(set)
        columns = (self.trials[name] for name in ("key", "dataset", "model"))
        for key, dataset, model in zip(*columns, strict=True):
            if reason := _lacking(self.found[key], after):
                places[reason].add(f"{names.dataset(dataset)} / {names.model(model)}")
        for reason, where in places.items():
            yield f"{UNDEFINED} at epoch {self.number}: {reason}: {'; '.join(sorted(where))}."


def _lacking(curves: AtEpoch, after: Set[str]) -> str:
    """What these curves lack at the epoch, in words; '' for nothing."""
    if not curves.epochs:
        return "damaged curves"
    if not curves.numbers:
        return f"trained for {counted(curves.epochs, 'epoch')}"
    return "" if after <= {*curves.numbers} else "curves without scores after scaling"


def _at(curves: pa.Table, epoch: int) -> AtEpoch:
    if epoch > len(curves):
        return AtEpoch(len(curves), {})
    numbers = {
        name: math.nan if (value := curves[name][epoch - 1].as_py()) is None else float(value)
        for name in curves.column_names
        if pa.types.is_floating(curves.schema.field(name).type)
    }
    return AtEpoch(len(curves), numbers)
