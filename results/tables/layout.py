"""A result table as data: what `results.tables.table` fills and each format prints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from results.scoring.scores import UNCALIBRATED, Metric
from results.tables import names
from trainables.catalogue import CALIBRATORS

MISSING = "—"
UNDEFINED = "n/a"
MIXED = "†"


@dataclass(frozen=True)
class Cell:
    """The seeds of one data set, model, loss and training, summarised; values in the stored unit.

    `mean` is NaN without seeds, and where the score has no value for one of them; `deviation` (n-1) also
    for a single seed; `temperature` (mean over the seeds) wherever it was not scaled. `missing` are the
    expected seeds that are not there. `variant` digests the training settings, and is empty where no trial
    tells. `mixed`: whether its trials were made by code that does not compute the same.
    """

    variant: str
    mean: float
    deviation: float
    seeds: int
    missing: tuple[int, ...]
    temperature: float
    best: bool = False
    mixed: bool = False


class Pieces(NamedTuple):
    """A cell as printed, part by part; a part that it has not is empty."""

    mean: str
    deviation: str = ""
    temperature: str = ""
    seeds: str = ""


@dataclass(frozen=True)
class Row:
    """`settings` tells rows of one data set and model apart. A cell is None where the sweep has none."""

    dataset: str
    model: str
    settings: str
    cells: tuple[Cell | None, ...]

    @property
    def name(self) -> str:
        """The model as printed, with the settings if there are any."""
        return names.model(self.model) + (f" ({self.settings})" if self.settings else "")


def scalings(metric: Metric, calibrator: str) -> tuple[str, ...]:
    """As `Table.scalings`."""
    return ("before", "after") if metric.changed_by(calibrator) else (UNCALIBRATED,)


@dataclass(frozen=True)
class Table:
    """One metric of all losses. A row's cells run through `losses` and, within each, `scalings`.

    Attributes:
        calibrator: The one that cells are before and after of.
    """

    metric: Metric
    calibrator: str
    losses: tuple[str, ...]
    rows: tuple[Row, ...]
    seeds: int
    caption: str
    notes: tuple[str, ...]

    @property
    def scalings(self) -> tuple[str, ...]:
        """'before' and 'after' calibration, or 'none' for a metric that it cannot change."""
        return scalings(self.metric, self.calibrator)

    @property
    def scaled(self) -> bool:
        return len(self.scalings) > 1

    @property
    def headings(self) -> list[str]:
        """As `heading`, of each of the scalings, with a capital."""
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
        """What to print of a cell. Its number of seeds is told where it is not the table's."""
        if cell is None:
            return Pieces("")
        if not cell.seeds:
            return Pieces(MISSING)
        return Pieces(
            (UNDEFINED if math.isnan(cell.mean) else self.metric.printed(cell.mean)) + MIXED * cell.mixed,
            "" if math.isnan(cell.deviation) else self.metric.printed(cell.deviation),
            "" if math.isnan(cell.temperature) else f"{cell.temperature:.2f}",
            "" if cell.seeds == self.seeds else f"n={cell.seeds}",
        )
