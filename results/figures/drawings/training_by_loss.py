"""Measures related to calibration during training, for losses side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from results.figures import style
from results.figures.data import Cell, Results
from results.figures.kinds import Picture, figure
from results.tables import names

PANELS = {
    "test_ece": ("test ECE", "%", 100),
    "test_error": ("test error", "%", 100),
    "test_nll": ("test NLL", "nats", 1),
    "test_nll_wrong": ("test NLL, wrong samples", "nats", 1),
    "test_entropy_wrong": ("test entropy, wrong samples", "nats", 1),
    "weight_norm": ("weights of the last layer", "L2 norm", 1),
}
"""Title, label of the axis, and factor of each measure."""


@figure("ECE, error, NLL, entropy and weights by epoch, by loss", "Mukhoti et al. 2020, Figure 2")
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        drawing, axes = style.grid(2, 3, 2.2, sharex=True)
        for number, (column, (heading, label, factor)) in enumerate(PANELS.items()):
            axis = axes.flat[number]
            by_epoch(axis, cell, column, factor)
            axis.set_ylabel(label)
            style.letter(axis, number, heading)
        for axis in axes[1]:
            axis.set_xlabel("epoch")
        style.heading(drawing, cell.title, cell.note, "mean over seeds")
        style.key(drawing, [style.line_of(loss, names.loss(loss)) for loss in cell.by_loss])
        yield Picture(cell.parts, f"Training by loss, {cell.title}", drawing)


def by_epoch(axes: Axes, cell: Cell, column: str, factor: float = 1) -> None:
    """A measure by epoch, one line for each loss: the mean over its seeds."""
    for loss in cell.by_loss:
        look, curve = style.look(loss), cell.mean_curve(loss, column)
        axes.plot(
            1 + np.arange(len(curve)),
            factor * curve,
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markevery=style.every(len(curve)),
            markersize=3,
            linewidth=1.0,
            label=loss,
        )
