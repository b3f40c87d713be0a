"""Frequency of each class by its probability: which classes a network is too sure or too unsure of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from results.figures import arithmetic, style
from results.figures.data import Part, Results
from results.figures.drawings.reliability import diagram, entries
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats, Ints

MOST = 12
"""Most classes shown: of more, as many of the most frequent ones as of the rarest."""

COLUMNS = 4


@figure("Reliability of each class against all others", "Kull et al. 2019, section 2")
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        for trial in cell.one_seed(results.seed):
            test = trial.parts["test"]
            shown = [np.exp(arithmetic.log_softmax(test.logits))]
            if "validation" in trial.parts:
                shown.append(np.exp(results.after(trial)))
            classes = _chosen(test)
            rows = -(-len(classes) // COLUMNS)
            drawing, axes = style.grid(rows, COLUMNS, 2.0, width=2.1 * COLUMNS, sharex=True, sharey=True)
            for place, number in zip(axes.flat, classes, strict=False):
                _panel(place, number, shown, test, trial.loss)
            for unused in axes.flat[len(classes) :]:
                unused.set_axis_off()
            for row in axes[:, 0]:
                row.set_ylabel("frequency of the class")
            for position in range(max(0, len(classes) - COLUMNS), len(classes)):
                axes.flat[position].set_xlabel("probability of the class")
                axes.flat[position].tick_params(labelbottom=True)
            title = cell.titled(trial)
            left_out = test.logits.shape[1] - len(classes)
            style.heading(
                drawing,
                title,
                cell.note,
                f"the {MOST // 2} most frequent and rarest classes" if left_out else "",
            )
            handles = [
                *entries(trial.loss, "frequency, before calibration", "probability"),
                *[_dots(label=f"after {results.calibrator}") for _ in shown[1:]],
            ]
            style.key(drawing, handles, 4)
            yield Picture((*cell.parts, trial.loss), f"Reliability by class of {title}", drawing)


def _chosen(test: Part) -> Ints:
    """The classes to show, in the order of their numbers."""
    classes = test.logits.shape[1]
    frequency = (
        np.bincount(test.labels, minlength=classes) if test.class_counts is None else test.class_counts
    )
    order = np.argsort(-np.asarray(frequency), kind="stable")
    if classes > MOST:
        order = np.concatenate([order[: MOST // 2], order[-MOST // 2 :]])
    return np.sort(order)


def _panel(axes: Axes, number: int, shown: list[Floats], test: Part, loss: str) -> None:
    is_it = (test.labels == number).astype(np.int64)
    before, *after = (arithmetic.binned(each[:, number], is_it) for each in shown)
    diagram(axes, before, loss)
    for found in after:
        filled = np.flatnonzero(found.counts)
        axes.add_line(_dots((filled + 0.5) / len(found.counts), found.accuracies[filled]))
    trained = "" if test.class_counts is None else f", {test.class_counts[number]:,} trained on"
    errors = " → ".join(f"{100 * found.ece:.2f}" for found in (before, *after))
    axes.set_title(f"class {number}{trained}\nECE {errors}%", loc="left")


def _dots(
    x: Floats | list[float] | None = None, y: Floats | list[float] | None = None, label: str = ""
) -> Line2D:
    return Line2D(
        [] if x is None else x,
        [] if y is None else y,
        color=style.INK,
        marker="o",
        markersize=3.2,
        markerfacecolor="white",
        linestyle="",
        label=label,
    )
