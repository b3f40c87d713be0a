"""Whether the gap of a validation bin is that of the same bin of other data: AdaFocal relies on it.

Logits of training samples are not stored; the test part takes their place.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import style
from results.figures.data import Results
from results.figures.drawings.gap_by_bin import gaps_of
from results.figures.kinds import Picture, figure
from results.tables import names

COLUMNS = 4


@figure(
    "Confidence less accuracy of validation bins against test bins",
    "Ghosh et al. 2022, correspondence of bins, with test in place of training data",
)
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        losses = [*cell.by_loss]
        columns = min(COLUMNS, len(losses))
        rows = -(-len(losses) // columns)
        drawing, axes = style.grid(
            rows, columns, 1.95 if columns == COLUMNS else 2.8, sharex=True, sharey=True
        )
        for axis in axes.flat[len(losses) :]:
            axis.set_axis_off()
        for axis, loss in zip(axes.flat, losses, strict=False):
            look = style.look(loss)
            pairs = np.concatenate(
                [
                    100 * np.stack([gaps_of(trial.parts[part]) for part in ("validation", "test")], axis=1)
                    for trial in cell.by_loss[loss]
                ]
            )
            pairs = pairs[np.isfinite(pairs).all(axis=1)]
            axis.plot(*pairs.T, look.marker, color=look.color, markersize=3, alpha=0.7, label=loss)
            axis.axline((0, 0), slope=1, color=style.INK, linestyle="--", linewidth=0.8)
            r = np.corrcoef(pairs.T)[0, 1] if len(pairs) > 2 else np.nan
            axis.set_title(f"{names.loss(loss)}, r = {r:.2f}", loc="left")
        for axis in axes[:, 0]:
            axis.set_ylabel("test bin, points")
        for column in range(columns):
            last = max(row for row in range(rows) if row * columns + column < len(losses))
            axes[last, column].set_xlabel("validation bin, points")
            axes[last, column].tick_params(labelbottom=True)
        style.heading(
            drawing,
            cell.title,
            cell.note,
            "confidence less accuracy of the same bin of equal mass, all seeds",
        )
        yield Picture(cell.parts, f"Correspondence of bins, {cell.title}", drawing)
