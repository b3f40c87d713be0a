"""The finished trials of a sweep, as figures need them: read from the store when asked for, once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from results.figures.arithmetic import log_softmax
from results.figures.errors import NothingToDrawError
from results.scoring.class_counts import class_counts
from results.statistics.binned import Floats, Ints
from results.tables import names
from results.wording import counted
from trainables.texts import visible

Logits = NDArray[np.floating[Any]]

Calibrate = Callable[["Part", Logits], Floats]
"""log p [M, K] from logits [M, K], after fitting to a validation part."""

Images = Callable[["Trial", Ints], Floats | None]
"""The images [M, height, width, 3] or [M, height, width], in [0, 1], of a trial's test samples with ids [M];
None if its data set has none."""


@dataclass(frozen=True)
class Part:
    """Predictions on N samples: logits [N, K] in their stored precision, labels [N] and sample ids [N].

    Attributes:
        class_counts: Number of training labels of each class, [K]; None if unknown.
    """

    logits: Logits
    labels: Ints
    sample_ids: Ints
    class_counts: tuple[int, ...] | None = None

    @classmethod
    def of(cls, table: pa.Table) -> Part:
        """From a stored table of predictions.

        Raises NothingToDrawError if its task has no logits of classes.
        """
        for name in ("logits", "label"):
            if name not in table.column_names:
                raise NothingToDrawError(f"its task stores no column {name!r}.")
        logits = table["logits"].combine_chunks()
        width = logits.type.list_size
        return cls(
            logits.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).copy(),
            table["label"].to_numpy().copy(),
            table["sample_id"].to_numpy().copy(),
            class_counts(table),
        )


@dataclass(frozen=True, eq=False)
class Trial:
    """A finished trial.

    Attributes:
        scores: The numbers of its row by column, in fractions and nats.
        read: Reads its predictions and its curves from the store.
        given: Predictions in place of those in a store.
        other: Reads its predictions on other data than the test set, by the label of the data.
    """

    key: str
    dataset: str
    model: str
    loss: str
    seed: int
    scores: Mapping[str, Any]
    read: tuple[Callable[[], pa.Table], Callable[[], pa.Table]] | None = None
    given: Mapping[str, Part] | None = None
    other: Mapping[str, Callable[[], pa.Table]] = field(default_factory=dict)

    @property
    def parts(self) -> Mapping[str, Part]:
        """Predictions on 'validation' and 'test'."""
        return _parts(self)

    @functools.cached_property
    def curves(self) -> pd.DataFrame:
        """The learning curves, one row per epoch."""
        return pd.DataFrame() if self.read is None else self.read[1]().to_pandas()

    @property
    def has_curves(self) -> bool:
        """Whether it was trained here: logits of others come without curves."""
        return "reported_epoch" in self.scores

    def curve(self, column: str) -> Floats:
        """A measure by epoch, [epochs]; NaN where it is undefined.

        Raises NothingToDrawError if the curves lack the column.
        """
        if column not in self.curves.columns:
            where = f"{names.loss(self.loss)}, {visible(self.dataset)}, {names.model(self.model)}"
            raise NothingToDrawError(f"the curves of {where} have no column {column!r}.")
        return self.curves[column].to_numpy(dtype=float)

    def has_bins(self, column: str) -> bool:
        """Whether its curves have this column of bins."""
        return column in self.curves.columns

    def bins(self, column: str, epoch: int) -> Floats:
        """A column of bins at one epoch, [3, bins] or [bins]: see docs/protocol.md, section 7.

        Args:
            epoch: From 1.

        Raises NothingToDrawError if the curves lack the column or the epoch.
        """
        where = f"{names.loss(self.loss)}, {visible(self.dataset)}, {names.model(self.model)}"
        if epoch > len(self.curves):
            raise NothingToDrawError(f"the curves of {where} have {counted(len(self.curves), 'epoch')}.")
        found = self.curves[column][epoch - 1] if self.has_bins(column) else None
        if found is None:
            raise NothingToDrawError(
                f"the curves of {where} have no {column!r} at epoch {epoch}: an earlier version of "
                "calibsweep trained it."
            )
        return np.stack([*found])

    @property
    def reported_epoch(self) -> int:
        """The epoch whose predictions are stored."""
        return int(self.scores["reported_epoch"])


@functools.lru_cache(maxsize=4)
def _parts(trial: Trial) -> Mapping[str, Part]:
    # Of a few trials at a time: the predictions of a whole sweep need not fit the memory.
    if trial.read is None:
        return trial.given or {}
    table = trial.read[0]()
    split = np.asarray(table["split"].combine_chunks().cast(pa.string()))
    return {name: Part.of(table.filter(split == name)) for name in np.unique(split)}


def printed_dataset(label: str) -> str:
    """A data set as printed, without its parameters: 'SST Binary'."""
    return names.short([label], names.dataset)[label]


@dataclass(frozen=True)
class Cell:
    """The trials of one data set and model, trained in one way.

    Attributes:
        settings: Text that distinguishes it from cells with the same data set and model; often empty.
        trials: In the order of losses in tables, then by seed.
    """

    dataset: str
    model: str
    settings: str
    trials: tuple[Trial, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """For the name of a file."""
        return (self.dataset, self.model, self.settings)

    @property
    def title(self) -> str:
        """'SST Binary, Tree-LSTM'."""
        printed = printed_dataset(self.dataset), names.model(self.model), visible(self.settings)
        return ", ".join(filter(None, printed))

    @property
    def note(self) -> str:
        """The parameters of the data set, which the title leaves out: 'training_samples=1200'."""
        name, _, params = self.dataset.partition("(")
        if name not in names.DATASETS or names.LONG_TAILED.fullmatch(self.dataset):
            return ""
        return visible(params.rstrip(")").replace(",", ", "))

    @property
    def by_loss(self) -> dict[str, list[Trial]]:
        found: dict[str, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(trial.loss, []).append(trial)
        return found

    def titled(self, trial: Trial) -> str:
        """'FLSD-53, SST Binary, Tree-LSTM, seed 0'; logits of one's own have no seed."""
        seed = f"seed {trial.seed}" if trial.has_curves else ""
        return ", ".join(filter(None, (names.loss(trial.loss), self.title, seed)))

    def mean_curve(self, loss: str, column: str) -> Floats:
        """A measure by epoch, the mean over the seeds of a loss, [epochs]; NaN where a seed has none.

        Raises NothingToDrawError if the curves lack the column.
        """
        rows = [trial.curve(column) for trial in self.by_loss[loss]]
        shortest = min(map(len, rows))
        return np.asarray(np.mean([row[:shortest] for row in rows], axis=0))

    def one_seed(self, asked: int | None) -> list[Trial]:
        """One trial of each loss: of the seed asked for, else of the smallest seed that each loss has.

        Raises NothingToDrawError if no trial has the seed.
        """
        seeds = [{trial.seed for trial in trials} for trials in self.by_loss.values()]
        shared = set.intersection(*seeds)
        seed = asked if asked is not None else min(shared, default=min(set.union(*seeds)))
        found = [trial for trial in self.trials if trial.seed == seed]
        if not found:
            raise NothingToDrawError(f"{self.title} has no finished trial with seed {seed}.")
        return found


@dataclass(frozen=True)
class Results:
    """The results that figures are drawn from.

    Attributes:
        calibrate: What is shown after 'before'; None for the temperature in the row of each trial.
        criterion: Metric that chose these temperatures.
        calibrator: Its title.
        seed: The seed of figures of single trials; None for the smallest.
        epoch: The epoch of figures that can show any, from 1; None for the reported epoch.
        images: Reads images of test samples; None where there are none.
    """

    cells: Sequence[Cell] = ()
    criterion: str = "ece"
    calibrator: str = "temperature scaling"
    calibrate: Calibrate | None = None
    seed: int | None = None
    epoch: int | None = None
    images: Images | None = None

    def temperature(self, trial: Trial) -> float:
        """The temperature of a trial, chosen on its validation part. NaN if its row has none."""
        return float(trial.scores.get(f"temperature_{self.criterion}", float("nan")))

    def after(self, trial: Trial) -> Floats:
        """log p [N, K] of the test part after calibration.

        Raises NothingToDrawError if there is no validation part.
        """
        if "validation" not in trial.parts:
            raise NothingToDrawError(f"{names.loss(trial.loss)} has no validation part to calibrate on.")
        logits = trial.parts["test"].logits
        if self.calibrate is None:
            return log_softmax(logits, self.temperature(trial))
        return self.calibrate(trial.parts["validation"], logits)
