"""The factor by which focal loss changes a gradient, and gradients during training."""

from __future__ import annotations

from collections.abc import Iterator

from results.figures import style, theory
from results.figures.data import Results
from results.figures.drawings.training_by_loss import by_epoch
from results.figures.kinds import Picture, figure
from results.tables import names


@figure("Gradient factor of focal loss, and gradient norms by epoch", "Mukhoti et al. 2020, Figure 3")
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
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
        style.key(drawing, [style.line_of(loss, names.loss(loss)) for loss in cell.by_loss])
        yield Picture(cell.parts, f"Gradients of focal loss, {cell.title}", drawing)
