"""Calibration error and error of each loss, with every seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.lines import Line2D

from results.figures import arithmetic, style
from results.figures.data import Results, Trial
from results.figures.kinds import Picture, figure
from results.tables import names
from results.wording import counted


@figure(
    "ECE before and after calibration, and error, of each loss", "Ghosh et al. 2022, ECE and error by loss"
)
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        losses = [*cell.by_loss]
        drawing, axes = style.grid(1, 2, 1.5 + 0.24 * len(losses), sharey=True, width_ratios=[1.6, 1])
        for place, loss in enumerate(losses):
            look, trials = style.look(loss), cell.by_loss[loss]
            before, after, error = np.array([scores(results, trial) for trial in trials]).T
            for axis, values, shift, face in (
                (axes[0, 0], before, -0.17, look.color),
                (axes[0, 0], after, 0.17, "white"),
                (axes[0, 1], error, 0.0, look.color),
            ):
                at = np.full(len(values), place + shift)
                axis.plot(
                    100 * values,
                    at,
                    linestyle="",
                    marker=look.marker,
                    color=look.color,
                    markerfacecolor=face,
                    markersize=4,
                    alpha=0.65,
                    label=loss,
                )
                if len(values) > 1:
                    axis.plot(100 * values.mean(), place + shift, "|", color=style.INK, markersize=9, mew=1.6)
        axes[0, 0].set_yticks(range(len(losses)), [names.loss(loss) for loss in losses])
        axes[0, 0].set_ylim(len(losses) - 0.5, -0.5)
        axes[0, 0].set_xlabel("ECE on test data, %")
        axes[0, 1].set_xlabel("error on test data, %")
        axes[0, 0].set_xlim(left=0)
        seeds = [len(trials) for trials in cell.by_loss.values()]
        most, even = max(seeds), len({*seeds}) == 1
        style.heading(
            drawing,
            cell.title,
            cell.note,
            counted(most, "seed") if even else f"up to {counted(most, 'seed')}",
        )
        style.key(
            drawing,
            [
                Line2D([], [], color=style.INK, marker="o", linestyle="", label="before, or error"),
                Line2D(
                    [],
                    [],
                    color=style.INK,
                    marker="o",
                    linestyle="",
                    markerfacecolor="white",
                    label=f"after {results.calibrator}",
                ),
                Line2D([], [], color=style.INK, marker="|", linestyle="", mew=1.6, label="mean"),
            ],
        )
        yield Picture(cell.parts, f"ECE and error by loss, {cell.title}", drawing)


def scores(results: Results, trial: Trial) -> tuple[float, float, float]:
    """ECE before and after calibration, and error, of the test part, as fractions."""
    test = trial.parts["test"]
    confidences, correct = arithmetic.top(arithmetic.log_softmax(test.logits), test.labels)
    after = arithmetic.top(results.after(trial), test.labels)
    return arithmetic.ece_of(confidences, correct), arithmetic.ece_of(*after), 1 - float(correct.mean())
