"""Whether the gap of a validation bin is that of the same bin of training data: AdaFocal relies on it.

The bins of the training part are those of the curves, summed during the epoch. Networks of earlier versions
have none: then the test part takes its place, by logits, unless another epoch is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from results.figures import style
from results.figures.data import Results, Trial
from results.figures.drawings.gap_by_bin import gaps_of
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats
from results.tables import names

COLUMNS = 4
LARGEST = 30.0
"""Area of the marker of a bin with all validation samples, in square points."""


@figure(
    "Confidence less accuracy of validation bins against training bins",
    "Ghosh et al. 2022, correspondence of bins",
    of_any_epoch=True,
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
        recorded = results.epoch is not None or all(trial.has_bins("train_bins") for trial in cell.trials)
        for axis, loss in zip(axes.flat, losses, strict=False):
            of_loss = [
                _recorded(trial, results.epoch) if recorded else _of_logits(trial)
                for trial in cell.by_loss[loss]
            ]
            _panel(axis, loss, np.concatenate(of_loss))
        against = "training" if recorded else "test"
        for axis in axes[:, 0]:
            axis.set_ylabel(f"{against} bin, points")
        for column in range(columns):
            last = max(row for row in range(rows) if row * columns + column < len(losses))
            axes[last, column].set_xlabel("validation bin, points")
            axes[last, column].tick_params(labelbottom=True)
        at = f"epoch {results.epoch}" if results.epoch else "reported epoch"
        binning = "width, the larger the more samples" if recorded else "mass"
        style.heading(
            drawing,
            cell.title,
            cell.note,
            f"{at}, confidence less accuracy of the same bin of equal {binning}, all seeds",
        )
        parts = (*cell.parts, *([at] if results.epoch else []))
        yield Picture(parts, f"Correspondence of bins, {cell.title}, {at}", drawing)


def _panel(axis: Axes, loss: str, pairs: Floats) -> None:
    """The bins of one loss: gap of the validation bin, of the other bin, and a weight, [bins, 3]."""
    look = style.look(loss)
    x, y, weights = pairs[np.isfinite(pairs).all(axis=1)].T
    axis.scatter(x, y, s=4 + LARGEST * weights, marker=look.marker, color=look.color, alpha=0.7, label=loss)
    axis.axline((0, 0), slope=1, color=style.INK, linestyle="--", linewidth=0.8)
    r = np.nan
    if len(x) > 2:
        (xx, xy), (_, yy) = np.cov(x, y, aweights=weights)
        r = xy / np.sqrt(xx * yy)
    axis.set_title(f"{names.loss(loss)}\nr = {r:.2f}", loc="left")


def _recorded(trial: Trial, epoch: int | None) -> Floats:
    """Gaps of validation and training bins in points, and the share of validation samples, [bins, 3]."""
    at = trial.reported_epoch + 1 if epoch is None else epoch
    gaps = []
    for part in ("validation", "train"):
        samples, confidences, correct = trial.bins(f"{part}_bins", at)
        with np.errstate(invalid="ignore"):
            gaps.append(100 * (confidences - correct) / samples)
        if part == "validation":
            share = samples / samples.sum()
    return np.stack([*gaps, share], axis=1)


def _of_logits(trial: Trial) -> Floats:
    """Gaps of validation and test bins of equal mass in points, and equal weights, [bins, 3]."""
    validation, test = (100 * gaps_of(trial.parts[part]) for part in ("validation", "test"))
    return np.stack([validation, test, np.full(len(test), 1 / len(test))], axis=1)
