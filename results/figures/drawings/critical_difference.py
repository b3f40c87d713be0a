"""Average ranks of the losses over the cells of a sweep, with Nemenyi's critical difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from results.figures import style
from results.figures.data import Cell, Results
from results.figures.drawings.ece_and_error import scores
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Picture, figure
from results.statistics.complete import matched
from results.statistics.ranks import CriticalDifference, cells_needed, friedman, nemenyi
from results.tables import names
from results.wording import counted

LEVEL = 0.95

LOSSES = 3
"""Least number of losses that Friedman's test compares."""

FEW = 10
"""Below this number of cells the tests' distributions are approximate. Demsar 2006, section 3.2.2."""

BELOW, STEP, BAR = 0.55, 0.8, 0.4
"""Heights: from the axis to the first bar, from label to label, and from bar to bar."""


@figure("Average ranks of losses over data sets and models", "Demšar 2006, Figure 1")
def pictures(results: Results) -> Iterator[Picture]:
    losses = list(dict.fromkeys(loss for cell in results.cells for loss in cell.by_loss))
    complete = [cell for cell in results.cells if len(cell.by_loss) == len(losses)]
    _check(losses, complete)
    frame = pd.DataFrame(
        [
            (loss, number, *np.mean([scores(results, trial) for trial in trials], axis=0))
            for number, cell in enumerate(complete)
            for loss, trials in cell.by_loss.items()
        ],
        columns=["loss", "cell", "before", "after", "error"],
    )
    panels = {
        "before": "ECE before calibration",
        "after": f"ECE after {results.calibrator}",
        "error": "error",
    }
    drawing, axes = style.grid(3, 1, 1.0 + 0.14 * (len(losses) + 1) // 2 + 0.06 * len(losses))
    for number, (column, title) in enumerate(panels.items()):
        try:
            of_cells = matched(frame, "loss", "cell", column)
        except ValueError as error:
            raise NothingToDrawError(f"{title}: {error}") from error
        p_value, found = friedman(of_cells).f_p_value, nemenyi(of_cells, level=LEVEL)
        # Pairs are compared only if the losses are not all equal.
        bars = found.groups if p_value < 1 - LEVEL else (tuple(found.ranks.index),)
        diagram(axes[number, 0], found, bars)
        style.letter(axes[number, 0], number, f"{title}: {_verdict(p_value)}")
    datasets = len({cell.dataset for cell in complete})
    cells = f"{counted(len(complete), 'cell')} of {counted(datasets, 'data set')}"
    title = f"Average rank of each loss over {cells}, from means over seeds"
    few = "few cells: approximate" if len(complete) < FEW else ""
    absent = len(results.cells) - len(complete)
    left_out = f"{counted(absent, 'incomplete cell')} left out" if absent else ""
    joined = "a bar joins losses that Nemenyi's test (95%) cannot tell apart"
    style.heading(drawing, title, joined, few, left_out)
    yield Picture((), "Average ranks of losses", drawing)


def _check(losses: Sequence[str], complete: Sequence[Cell]) -> None:
    if len(losses) < LOSSES:
        raise NothingToDrawError(f"it compares at least {LOSSES} losses, not {len(losses)}.")
    least = cells_needed(len(losses), LEVEL)
    if len(complete) < least:
        raise NothingToDrawError(
            f"{len(losses)} losses need at least {least} cells (data set and model) with results of each; "
            f"the sweep has {len(complete)}."
        )


def diagram(axes: Axes, found: CriticalDifference, bars: Sequence[Sequence[str]]) -> None:
    """Draws the ranks on an axis, a label for each loss at either side, and the bars below the axis."""
    ranks, losses = found.ranks, len(found.ranks)
    margin = (losses - 1) / 3
    levels = _levels([(ranks[bar[0]], ranks[bar[-1]]) for bar in bars])
    top = BELOW + BAR * (1 + max(levels, default=0)) + 0.2
    axes.axis("off")
    axes.set_xlim(1 - margin, losses + margin)
    axes.plot([1, losses], [0, 0], color=style.INK, linewidth=0.9)
    for tick in range(1, losses + 1):
        axes.plot([tick, tick], [0, 0.25], color=style.INK, linewidth=0.9)
        axes.text(tick, 0.4, str(tick), ha="center", va="bottom", fontsize=7.5)
    half = (losses + 1) // 2
    for place, (loss, rank) in enumerate(ranks.items()):
        left = place < half
        y = -(top + STEP * (place if left else losses - 1 - place))
        end, look = (1 - margin * 0.05 if left else losses + margin * 0.05), style.look(str(loss))
        axes.plot(
            [rank, rank, end],
            [0, y, y],
            color=look.color,
            linestyle=look.line,
            linewidth=1.0,
            label=loss,
        )
        axes.plot([rank], [0], color=look.color, marker=look.marker, clip_on=False)
        axes.text(
            end - margin * 0.03 if left else end + margin * 0.03,
            y,
            f"{names.loss(str(loss))} ({rank:.1f})",
            ha="right" if left else "left",
            va="center",
            fontsize=7.5,
        )
    for bar, level in zip(bars, levels, strict=True):
        y = -(BELOW + BAR * level)
        axes.plot(
            [ranks[bar[0]], ranks[bar[-1]]],
            [y, y],
            color=style.INK,
            linewidth=2.6,
            solid_capstyle="round",
            label="bar",
        )
    if found.difference is not None:
        axes.errorbar(
            [1 + found.difference / 2], [1.75], xerr=found.difference / 2, color=style.INK, capsize=3
        )
        axes.text(
            1 + found.difference + margin * 0.05,
            1.75,
            f"critical difference {found.difference:.2f}",
            va="center",
            fontsize=7.5,
        )
    axes.set_ylim(-(top + STEP * (half - 1) + 0.5), 2.2)


def _levels(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A row for each bar, so that bars of one row do not touch."""
    ends: list[float] = []
    found = []
    for start, end in spans:
        row = next((row for row, last in enumerate(ends) if last < start), len(ends))
        ends[row : row + 1] = [end]
        found.append(row)
    return found


def _verdict(p_value: float) -> str:
    shown = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return f"{shown} by Friedman's test" + ("" if p_value < 1 - LEVEL else ", no difference shown")
