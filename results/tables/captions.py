"""Sentences that say what a table shows and how to read it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from results.scoring.scores import Metric, criterion_of, known_metrics
from results.tables import warnings
from results.tables.evidence import Known
from results.tables.layout import CALIBRATED, LEVEL, Row
from results.tables.row_evidence import DRAWS
from trainables.catalogue import CALIBRATORS

REJECTED = f"{100 * (1 - LEVEL):.0f}%"


ON_FLOORS = (
    "Floor: the mean error, and in brackets its 95% point, of calibrated networks with the same confidences "
    f"({DRAWS:,} draws of the labels). {CALIBRATED}: no more than that, so calibration is not rejected at "
    f"{REJECTED}."
)


def about(metric: Metric, data: str) -> str:
    """The metric: name, evaluation, unit, bins and direction."""
    title = f" ({metric.title})" if metric.title not in metric.meaning else ""
    facts = [f"in {metric.printed_unit}"] if metric.printed_unit else []
    number = f"{metric.number} bins"
    facts += [number] if metric.bins and number not in metric.title else []
    facts += [f"{metric.direction} is better"] if metric.direction else []
    return ", ".join([f"{metric.meaning}{title} on {data}", *facts]) + "."


def numbers(
    metric: Metric, calibrator: str, seeds: int, rows: Sequence[Row], known: Sequence[Known]
) -> Iterator[str]:
    """How to read the numbers of a table.

    Args:
        seeds: The usual number of seeds of a cell.
        known: The evidence on each row, before and after calibration.
    """
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    if metric.changed_by(calibrator):
        yield scaling(calibrator, any(not math.isnan(cell.temperature) for cell in cells))
    yield over_seeds(seeds, (cell.seeds for cell in cells))
    if any(floor is not None for each in known for floor in each.floors):
        yield ON_FLOORS
    yield from warning_sentences(rows)


def over_seeds(seeds: int, of_cells: Iterable[int]) -> str:
    """How numbers follow from seeds.

    Args:
        seeds: The usual number of seeds of a cell.
        of_cells: That of each cell.
    """
    if seeds <= 1:
        return "One seed."
    fewer = ", of n seeds where n is given" if any(0 < each < seeds for each in of_cells) else ""
    return f"Mean ± standard deviation (n-1) over {seeds} seeds{fewer}."


def scaling(calibrator: str, with_temperatures: bool) -> str:
    """What is before and after calibration, and how temperatures are chosen."""
    spec = CALIBRATORS[calibrator].spec
    if (criterion := criterion_of(calibrator)) is None:
        return (
            f"Pre {spec.symbol}: as trained; post {spec.symbol}: after {spec.title}, fitted to each "
            "trial's validation data."
        )
    by = known_metrics()[criterion]
    bins = f" ({by.number} bins)" if by.bins else ""
    shown = "mean temperature shown, " if with_temperatures else ""
    return (
        f"Pre T: as trained; post T: after temperature scaling, {shown}the temperature of each trial "
        f"chosen by validation {by.title}{bins}."
    )


def bold(metric: Metric, seeds: int, known: Sequence[Known]) -> str:
    """What is bold in a table; '' for a metric without a direction. Arguments as in `numbers`."""
    if not metric.direction:
        return ""
    compared = [each for each in known if each.comparison.known.any()]
    if not compared:
        return "Nothing is bold: there is nothing to compare."
    samples = f"{DRAWS:,} resamples of the test samples"
    over = "matched seeds"
    if seeds == 1:
        over = f"{samples} alone, so with other seeds it may differ"
    elif all(each.over_samples for each in compared):
        over = f"matched seeds and {samples}"
    return (
        f"Bold: the losses of which one is the best with {LEVEL:.0%} confidence, unless those are all "
        f"(paired over {over}; corrected for the number of losses)."
    )


def warning_sentences(rows: Iterable[Row], *, temperatures: bool = True) -> Iterator[str]:
    """The meaning of each mark that occurs in some rows of a table.

    Args:
        temperatures: Whether these are printed.
    """
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    occurs = {
        warnings.NEAR_CHANCE: any(cell.near_chance for cell in cells),
        warnings.FEW: any(warnings.too_few(cell.samples) for cell in cells),
        warnings.AT_EDGE: temperatures and any(cell.at_edge for cell in cells),
    }
    for mark, meaning in warnings.MEANING.items():
        if occurs[mark]:
            yield f"{mark}: {meaning}"
