"""The factor by which focal loss changes a gradient, and gradients during training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from results.figures import style, theory
from results.figures.data import Cell, Results
from results.figures.drawings.training_by_loss import by_epoch
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats
from results.tables import names

COLUMN = "gradient_bins"
SHOWN = (10 / 350, 100 / 350, 200 / 350)
"""The epochs of the published histograms, as shares of all epochs."""
EDGES = 10.0 ** np.linspace(-6.25, 1.25, 31)
"""The first and the last bin hold all smaller and all greater norms."""


@figure("Gradient factor of focal loss, and gradient norms by epoch", "Mukhoti et al. 2020, Figure 3")
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        key = [style.line_of(loss, names.loss(loss)) for loss in cell.by_loss]
        drawing, axes = style.grid(1, 2, 3.1)
        theory.gradient_factors(axes[0, 0])
        style.letter(axes[0, 0], 0, "factor of the gradient, by theory")
        by_epoch(axes[0, 1], cell, "gradient_norm")
        axes[0, 1].set_yscale("log")
        style.plain_numbers(axes[0, 1].yaxis, (1, 2, 5))
        axes[0, 1].set_xlabel("epoch")
        axes[0, 1].set_ylabel("L2 norm, mean over steps")
        style.letter(axes[0, 1], 1, "gradient of the loss")
        style.heading(drawing, cell.title, cell.note, "mean over seeds")
        style.key(drawing, key)
        yield Picture(cell.parts, f"Gradients of focal loss, {cell.title}", drawing)
        if not all(trial.has_bins(COLUMN) for trial in cell.trials):
            continue
        drawing, axes = style.grid(1, 3, 2.6, sharex=True)
        epochs = min(len(trial.curves) for trial in cell.trials)
        for number, share in enumerate(SHOWN):
            epoch = max(1, round(share * epochs))
            _histogram(axes[0, number], cell, epoch)
            style.letter(axes[0, number], number, f"epoch {epoch}")
        axes[0, 0].set_ylabel("training samples, %")
        style.heading(drawing, cell.title, cell.note, "gradients of single samples, mean over seeds")
        style.key(drawing, key)
        parts = (*cell.parts, "single samples")
        yield Picture(parts, f"Gradients of single samples, {cell.title}", drawing)


def _histogram(axes: Axes, cell: Cell, epoch: int) -> None:
    """The share of training samples by the norm of their gradient, one line for each loss."""
    for loss, trials in cell.by_loss.items():
        look = style.look(loss)
        axes.stairs(
            np.mean([_shares(trial.bins(COLUMN, epoch)) for trial in trials], axis=0),
            EDGES,
            color=look.color,
            linestyle=look.line,
            label=loss,
        )
    axes.set_xscale("log")
    axes.set_xticks([EDGES[0], 1e-4, 1e-2, 1], labels=["less", "0.0001", "0.01", "1"])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("L2 norm, with respect to logits")


def _shares(counts: Floats) -> Floats:
    shares: Floats = 100 * counts / counts.sum()
    return shares
