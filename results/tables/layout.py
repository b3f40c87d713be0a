"""A result table as data: filled by `results.tables.table`, and printed in each format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from results.scoring.scores import UNCALIBRATED, Metric
from results.tables.warnings import AT_EDGE, NEAR_CHANCE, too_few
from trainables.catalogue import CALIBRATORS

if TYPE_CHECKING:
    from results.statistics.noise_floor import Floor

TEST_SET = "the test set"
LEVEL = 0.95
"""Confidence of noise floors and comparisons."""

MISSING = "—"
UNDEFINED = "n/a"
MIXED = "†"
CALIBRATED = "°"


@dataclass(frozen=True)
class Cell:
    """Summary over the seeds of one data set, model, loss and training; values in the stored unit.

    `mean` is NaN without seeds, or if the score of a seed is undefined; `deviation` (n-1) also for a single
    seed; `temperature` (mean over the seeds) if there is no scaling. `missing` are the expected seeds without
    a finished trial. `variant` digests the training settings, and is empty if unknown. `mixed`: whether its
    trials were made by code that computes different numbers. `best`: whether it is the best of its row, or
    does not differ from it. `floor`: the noise floor of the mean, if there is one and logits are stored.
    `by_seed`: the score of each seed; `temperatures`: that of each seed, if there is scaling.
    `standard_error`: of the mean over the seeds, deviation / sqrt(seeds). `standard_error_samples`: of the
    mean over the test samples, with these seeds; NaN if unknown. `samples`: number of test samples; None if
    unknown. `near_chance` and `at_edge`: see `results.tables.warnings`. `says_nothing`: whether the score is
    left out, since it is the same for all networks on a data set with so few classes.
    """

    variant: str
    mean: float
    deviation: float
    seeds: int
    missing: tuple[int, ...]
    temperature: float
    best: bool = False
    mixed: bool = False
    floor: Floor | None = None
    by_seed: Mapping[int, float] = field(default_factory=dict)
    temperatures: Mapping[int, float] = field(default_factory=dict)
    standard_error: float = math.nan
    standard_error_samples: float = math.nan
    samples: int | None = None
    near_chance: bool = False
    at_edge: bool = False
    says_nothing: bool = False

    @property
    def calibrated(self) -> bool:
        """Whether the error is within its noise floor, so that calibration is not rejected."""
        return self.floor is not None and self.floor.p_value > 1 - LEVEL


class Pieces(NamedTuple):
    """The printed parts of a cell; absent parts are empty."""

    mean: str
    deviation: str = ""
    temperature: str = ""
    seeds: str = ""


@dataclass(frozen=True)
class Row:
    """`settings` distinguishes rows of one data set and model. A cell is None if the sweep has none."""

    dataset: str
    model: str
    settings: str
    cells: tuple[Cell | None, ...]

    @property
    def few(self) -> bool:
        """Whether it has few test samples."""
        return any(cell is not None and too_few(cell.samples) for cell in self.cells)


def scalings(metric: Metric, calibrator: str) -> tuple[str, ...]:
    """See `Table.scalings`."""
    return ("before", "after") if metric.changed_by(calibrator) else (UNCALIBRATED,)


@dataclass(frozen=True)
class Table:
    """One metric of all losses. A row's cells run through `losses` and, within each, `scalings`.

    Attributes:
        calibrator: The calibrator between 'before' and 'after'.
        data: Name of the evaluated data.
        seeds: The usual number of seeds of a cell.
        about: The sentence that says what the metric is.
        numbers: Sentences that say how to read the numbers: of all metrics alike.
        bold: The sentence that says what is bold; '' for a metric without a direction.
        epoch: The epoch, from 1, if it is a fixed one; None for the reported epoch.
        only: The one scaling that a table shows, as some of the papers do; '' for all.
    """

    metric: Metric
    calibrator: str
    losses: tuple[str, ...]
    rows: tuple[Row, ...]
    seeds: int
    about: str
    numbers: tuple[str, ...]
    bold: str
    notes: tuple[str, ...]
    data: str = TEST_SET
    epoch: int | None = None
    only: str = ""

    @property
    def scalings(self) -> tuple[str, ...]:
        """'before' and 'after' calibration, or 'none' for a metric that it cannot change."""
        return (self.only,) if self.only else scalings(self.metric, self.calibrator)

    @property
    def caption(self) -> str:
        return " ".join([self.about, *self.reading])

    @property
    def reading(self) -> tuple[str, ...]:
        """How to read the table."""
        return (*self.numbers, self.bold) if self.bold else self.numbers

    @property
    def has_floors(self) -> bool:
        return any(cell is not None and cell.floor is not None for row in self.rows for cell in row.cells)

    @property
    def scaled(self) -> bool:
        return len(self.scalings) > 1

    @property
    def headings(self) -> list[str]:
        """The `heading` of each scaling, capitalised."""
        return [text[:1].upper() + text[1:] for text in map(self.heading, self.scalings)]

    def heading(self, scaling: str) -> str:
        """'pre T', 'post T', or nothing for a metric that calibration cannot change."""
        symbol = CALIBRATORS[self.calibrator].spec.symbol
        return {"none": "", "before": f"pre {symbol}", "after": f"post {symbol}"}[scaling]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """(loss, scaling) of each column."""
        return [(loss, scaling) for loss in self.losses for scaling in self.scalings]

    def pieces(self, cell: Cell | None) -> Pieces:
        """The printed parts of a cell. Its number of seeds is included if it differs from the table's."""
        if cell is None:
            return Pieces("")
        if not cell.seeds:
            return Pieces(MISSING)
        if cell.says_nothing:
            return Pieces(UNDEFINED)
        return Pieces(
            (UNDEFINED if math.isnan(cell.mean) else self.metric.printed(cell.mean))
            + CALIBRATED * cell.calibrated
            + NEAR_CHANCE * cell.near_chance
            + MIXED * cell.mixed,
            "" if math.isnan(cell.deviation) else self.metric.printed(cell.deviation),
            "" if math.isnan(cell.temperature) else f"{cell.temperature:.2f}" + AT_EDGE * cell.at_edge,
            "" if cell.seeds == self.seeds else f"n={cell.seeds}",
        )
