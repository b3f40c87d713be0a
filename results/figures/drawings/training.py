"""Likelihood and entropy during training, for correctly and wrongly classified samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.lines import Line2D

from results.figures import style
from results.figures.data import Results
from results.figures.kinds import Picture, figure
from results.tables import names
from results.wording import counted

GROUPS = {"all samples": "", "correct samples": "_correct", "wrong samples": "_wrong"}


@figure("NLL and entropy by epoch, for correct and wrong samples", "Mukhoti et al. 2020, Figure 1")
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        for loss, trials in cell.by_loss.items():
            drawing, axes = style.grid(2, 3, 2.1, sharex=True)
            look = style.look(loss)
            for row, (measure, label) in enumerate({"nll": "NLL", "entropy": "entropy"}.items()):
                for column, (heading, suffix) in enumerate(GROUPS.items()):
                    for part in ("train", "test"):
                        curve = cell.mean_curve(loss, f"{part}_{measure}{suffix}")
                        axes[row, column].plot(
                            1 + np.arange(len(curve)),
                            curve,
                            color=look.color,
                            linestyle=style.PART_LINES[part],
                            label=part,
                        )
                    axes[row, column].set_ylim(bottom=0)
                    style.letter(axes[row, column], 3 * row + column, f"{label}, {heading}")
                axes[row, 0].set_ylabel("nats")
            for axis in axes[1]:
                axis.set_xlabel("epoch")
            title = f"{names.loss(loss)}, {cell.title}, mean of {counted(len(trials), 'seed')}"
            style.heading(drawing, title, cell.note)
            lines = style.PART_LINES
            style.key(
                drawing,
                [
                    Line2D([], [], color=look.color, linestyle=lines["train"], label="training set"),
                    Line2D([], [], color=look.color, linestyle=lines["test"], label="test set"),
                ],
            )
            yield Picture((*cell.parts, loss), f"NLL and entropy by epoch, {title}", drawing)
