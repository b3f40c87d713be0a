"""Prints how many seeds would distinguish losses."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from orchestrator.screen.grid import Grid
from orchestrator.use_cases.power import LEVEL, TARGET_POWER, LossPower, RowPower
from results.scoring.scores import UNCALIBRATED, Metric, chosen
from results.statistics.power import MOST
from trainables.catalogue import CALIBRATORS
from trainables.texts import visible

HEADING = ("difference", "spread", "seeds", "power", "needed", "all pairs")


def print_power(rows: Sequence[RowPower], console: Console) -> None:
    """Prints a grid per row of a table, and the meaning of its columns."""
    console.print()
    if not rows:
        console.print(
            "No two losses of a data set and model have finished trials, so their spread is unknown."
        )
        return
    scaled = len({row.calibrator for row in rows}) > 1
    for row in rows:
        metric = chosen([row.metric])[0]
        console.print(_title(row, metric, scaled), highlight=False, soft_wrap=True)
        lines = [[Text(visible(other.loss)), *_cells(other, metric)] for other in row.others]
        console.print(Grid(["", *HEADING], lines))
        console.print()
    console.print(
        "Differences from the best in matched seeds, their standard deviation, and the power of a paired t "
        f"test at {1 - LEVEL:.0%} with as many other seeds. Needed: seeds for a power of {TARGET_POWER:.0%} "
        "with this difference and spread, for the pair alone and with all pairs of the row corrected.",
        style="quiet",
        highlight=False,
    )


def _title(row: RowPower, metric: Metric, scaled: bool) -> Text:
    where = " / ".join(visible(part) for part in (row.dataset, row.model, row.settings) if part)
    when = ""
    if scaled:
        before = row.calibrator == UNCALIBRATED
        when = " before calibration" if before else f" after {CALIBRATORS[row.calibrator].spec.title}"
    unit = f", {metric.printed_unit}" if metric.printed_unit else ""
    return Text.assemble((f"{metric.title}{when}", "bold"), f", {where}{unit}; best: {visible(row.best)}")


def _cells(other: LossPower, metric: Metric) -> list[Text]:
    if other.seen is None:
        return [Text("-", style="quiet") for _ in HEADING]
    seen = other.seen
    return [
        Text(metric.printed(seen.difference)),
        Text(metric.printed(seen.deviation)),
        Text(str(seen.seeds)),
        Text(f"{seen.power:.0%}"),
        _needed(seen.needed),
        _needed(other.needed_in_row),
    ]


def _needed(seeds: int | None) -> Text:
    return Text(f"> {MOST:,}", style="quiet") if seeds is None else Text(f"{seeds:,}")
