"""The gap matrix in print: grids for each format, and a tidy CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from results.scoring.scores import UNCALIBRATED
from results.tables import captions, grid, names
from results.tables.gaps import Line, Matrix, Number
from results.tables.grid import Grid, Group, Names, Printed
from results.tables.layout import LEVEL, MISSING, MIXED, UNDEFINED, Row, Table
from results.tables.rendering import by_seed, csv_text

WORDS = {"ece": "ECE", "nll": "NLL", "abers": "Abers"}
"""Words in names of calibrators that are printed otherwise."""

INFINITE = "-inf: the calibrator gives the true class of at least one test sample probability 0."


@dataclass(frozen=True)
class Arranger:
    """Makes grids of matrices."""

    matrices: Sequence[Matrix]

    def __call__(
        self,
        tables: Sequence[Table],
        width: int,
        height: int | None = None,
        measure: Callable[[str], int] = len,
    ) -> list[Grid]:
        """Arguments as of `grid.arrange`, whose tables are ignored."""
        rows = [Row(each.dataset, each.model, each.settings, ()) for each in self.matrices]
        shown = Names.of(rows)
        return [
            part
            for matrix, row in zip(self.matrices, rows, strict=True)
            for part in grid.divided(_grid(matrix, row, shown), width, height, measure)
        ]


def _grid(matrix: Matrix, row: Row, shown: Names) -> Grid:
    network = f"{shown.datasets[row.dataset]} / {shown.model(row)}"
    title = matrix.metric.title
    plain = (
        Group("Error", ("",), tuple((_printed(matrix, line, line.error),) for line in matrix.lines)),
        Group(
            title,
            ("as trained", "refinement", "calibration"),
            tuple(
                tuple(
                    _printed(matrix, line, number)
                    for number in (line.score, line.refinement, line.calibration)
                )
                for line in matrix.lines
            ),
        ),
    )
    gains = tuple(
        Group(
            *_headings(name),
            tuple((_printed(matrix, line, line.gains[place]),) for line in matrix.lines),
        )
        for place, name in enumerate(matrix.calibrators)
    )
    infinite = any(math.isinf(number.mean) for line in matrix.lines for number in line.gains)
    return Grid(
        grid.slug(f"gaps {network} {title}"),
        f"{network}: {title} and calibrators",
        f"{network}: improvement of the {title} by each calibrator.",
        tuple(_reading(matrix)),
        "Loss",
        tuple(grid.Line("", _label(matrix, line)) for line in matrix.lines),
        (*plain, *gains),
        (*shown.notes([row]), *([INFINITE] if infinite else []), *matrix.notes),
    )


def _headings(calibrator: str) -> tuple[str, tuple[str]]:
    """'Temperature', 'adaptive ECE' of 'temperature_adaptive_ece'."""
    first, *others = calibrator.split("_")
    return first.capitalize(), (" ".join(WORDS.get(word, word) for word in others),)


def _label(matrix: Matrix, line: Line) -> str:
    seeds = f" (n={line.seeds})" if 0 < line.seeds != matrix.seeds else ""
    return names.loss(line.loss) + MIXED * line.mixed + seeds


def _printed(matrix: Matrix, line: Line, number: Number) -> Printed:
    if not line.seeds:
        return Printed(MISSING)
    if math.isnan(number.mean):
        return Printed(UNDEFINED)
    if math.isinf(number.mean):
        return Printed("-inf")
    deviation = "" if math.isnan(number.deviation) else matrix.metric.printed(number.deviation)
    return Printed(matrix.metric.printed(number.mean), deviation, "", number.best)


def _reading(matrix: Matrix) -> Iterator[str]:
    metric = matrix.metric
    yield (
        f"Below each calibrator: {metric.meaning} on the test set as trained, less that after calibration, "
        f"in {metric.printed_unit}; positive is an improvement. Calibrators are fitted to validation data."
    )
    yield (
        f"Refinement: the part of the {metric.title} as trained that the best temperature for the test set "
        "itself would leave, and calibration: the part that it would remove. Error in percent."
    )
    yield captions.over_seeds(matrix.seeds, (line.seeds for line in matrix.lines))
    if any(number.best for line in matrix.lines for number in line.gains):
        yield (
            f"Bold: the calibrators of which one is the best for its loss with {LEVEL:.0%} confidence, "
            "unless those are all (paired over seeds; corrected for the number of calibrators)."
        )
    else:
        yield "Nothing is bold: of no loss can one calibrator be told from the others."


CSV_COLUMNS = [
    "dataset",
    "model",
    "settings",
    "variant",
    "loss",
    "metric",
    "quantity",
    "calibrator",
    "mean",
    "standard_deviation",
    "unit",
    "seeds",
    "missing_seeds",
    "standard_error",
    "by_seed",
    "may_be_best",
    "mixed_code",
]


def tidy_csv(matrices: Sequence[Matrix]) -> str:
    """One line per number, in the stored unit.

    `quantity` is error, score, refinement, calibration or gain; a calibrator has only a gain.
    """
    return csv_text(CSV_COLUMNS, _csv_lines(matrices))


def _csv_lines(matrices: Sequence[Matrix]) -> Iterator[list[object]]:
    for matrix in matrices:
        for line in matrix.lines:
            for quantity, calibrator, number in _numbers(matrix, line):
                place = [matrix.dataset, matrix.model, matrix.settings, line.variant, line.loss]
                fields = [*place, matrix.metric.name, quantity, calibrator]
                values = [
                    *("" if math.isnan(value) else value for value in (number.mean, number.deviation)),
                    "fraction" if quantity == "error" else matrix.metric.stored_unit,
                    line.seeds,
                    " ".join(map(str, line.missing)),
                    "" if math.isnan(number.standard_error) else f"{number.standard_error:.6g}",
                    by_seed(number.by_seed),
                    int(number.best),
                    int(line.mixed),
                ]
                yield [*fields, *values]


def _numbers(matrix: Matrix, line: Line) -> Iterable[tuple[str, str, Number]]:
    yield "error", UNCALIBRATED, line.error
    yield "score", UNCALIBRATED, line.score
    yield "refinement", UNCALIBRATED, line.refinement
    yield "calibration", UNCALIBRATED, line.calibration
    for calibrator, number in zip(matrix.calibrators, line.gains, strict=True):
        yield "gain", calibrator, number
