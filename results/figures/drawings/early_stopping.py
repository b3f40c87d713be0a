"""Which epoch a validation score would pick, and how calibrated the network is there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.lines import Line2D

from results.figures import style
from results.figures.data import Results
from results.figures.kinds import Picture, figure

MEASURES = {"error": ("error, %", 100), "nll": ("NLL, nats", 1), "ece": ("ECE, %", 100)}
PICKED_BY = {"error": ("v", 11), "nll": ("o", 7.5), "ece": ("s", 4.5)}
"""Marker of the epoch with the least validation score, and its size: all three may be the same."""


@figure(
    "Validation and test scores by epoch, with the best validation epochs", "Mukhoti et al. 2020, Figure 10"
)
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        for trial in cell.one_seed(results.seed):
            look = style.look(trial.loss)
            drawing, axes = style.grid(1, 3, 2.6, sharex=True)
            best = {name: int(np.nanargmin(trial.curve(f"validation_{name}"))) for name in PICKED_BY}
            for number, (name, (label, factor)) in enumerate(MEASURES.items()):
                axis = axes[0, number]
                for part in ("validation", "test"):
                    curve = factor * trial.curve(f"{part}_{name}")
                    axis.plot(
                        1 + np.arange(len(curve)),
                        curve,
                        color=look.color if part == "test" else style.BAND,
                        linestyle=style.PART_LINES[part],
                        label=part,
                    )
                for by, (marker, size) in PICKED_BY.items():
                    axis.plot(
                        1 + best[by],
                        curve[best[by]],
                        marker=marker,
                        color=look.color,
                        markersize=size,
                        markerfacecolor="white",
                        markeredgewidth=1.4,
                        label=f"best {by}",
                    )
                axis.axvline(1 + trial.reported_epoch, color=style.INK, linestyle=":", linewidth=1)
                axis.set_ylim(bottom=0)
                axis.set_ylabel(label)
                axis.set_xlabel("epoch")
                style.letter(axis, number, label.partition(",")[0])
            title = cell.titled(trial)
            style.heading(drawing, title, cell.note)
            lines = style.PART_LINES
            style.key(
                drawing,
                [
                    Line2D([], [], color=style.BAND, linestyle=lines["validation"], label="validation set"),
                    Line2D([], [], color=look.color, linestyle=lines["test"], label="test set"),
                    Line2D([], [], color=style.INK, linestyle=":", linewidth=1, label="reported epoch"),
                    *(
                        Line2D(
                            [],
                            [],
                            color=look.color,
                            linestyle="",
                            marker=marker,
                            markerfacecolor="white",
                            label=f"least validation {MEASURES[by][0].partition(',')[0]}",
                        )
                        for by, (marker, _) in PICKED_BY.items()
                    ),
                ],
                3,
            )
            yield Picture((*cell.parts, trial.loss), f"Best epochs, {title}", drawing)
