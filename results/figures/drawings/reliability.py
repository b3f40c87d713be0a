"""Accuracy by confidence, before and after calibration, with the band that chance alone explains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from results.figures import arithmetic, style
from results.figures.arithmetic import Bins
from results.figures.data import Results, Trial
from results.figures.kinds import Picture, figure

HATCH = "////"


@figure("Reliability diagrams before and after calibration", "Guo et al. 2017, Figure 1", of_any_epoch=True)
def pictures(results: Results) -> Iterator[Picture]:
    for cell in results.cells:
        for trial in cell.one_seed(results.seed):
            shown = _of_epoch(results, trial) if results.epoch else _of_logits(results, trial)
            drawing, axes = style.grid(
                2,
                len(shown),
                2.0,
                width=3.6 * len(shown),
                sharex=True,
                sharey="row",
                height_ratios=[2.7, 1],
            )
            for column, (heading, found) in enumerate(shown.items()):
                diagram(axes[0, column], found, trial.loss)
                histogram(axes[1, column], found, trial.loss)
                ece = f"ECE {100 * found.ece:.2f}%, if calibrated {100 * found.floor:.2f}%"
                style.letter(axes[0, column], column, f"{heading}\n{ece}")
            axes[0, 0].set_ylabel("accuracy")
            axes[1, 0].set_ylabel("samples, %")
            title = cell.titled(trial)
            shown_epoch = results.epoch or (trial.reported_epoch + 1 if trial.has_curves else None)
            epoch = f"epoch {shown_epoch}" if shown_epoch else ""
            style.heading(drawing, title, cell.note, epoch)
            handles = [
                *entries(trial.loss, "accuracy", "confidence"),
                Line2D([], [], color=style.INK, linestyle="--", linewidth=0.8, label="accuracy = confidence"),
            ]
            style.key(drawing, handles, 4 if len(shown) > 1 else 2)
            parts = (*cell.parts, trial.loss, *([epoch] if results.epoch else []))
            fixed = f", {epoch}" if results.epoch else ""
            yield Picture(parts, f"Reliability of {title}{fixed}", drawing)


def _of_logits(results: Results, trial: Trial) -> dict[str, Bins]:
    """The bins of the reported epoch, by heading."""
    test = trial.parts["test"]
    shown = {"before calibration": arithmetic.log_softmax(test.logits)}
    if "validation" in trial.parts:
        shown[f"after {results.calibrator}"] = results.after(trial)
    return {
        heading: arithmetic.binned(*arithmetic.top(log_probabilities, test.labels))
        for heading, log_probabilities in shown.items()
    }


def _of_epoch(results: Results, trial: Trial) -> dict[str, Bins]:
    """The bins of a recorded epoch, by heading: after scaling by the epoch's own temperature."""
    columns = {
        "before calibration": "test_bins",
        f"after {results.calibrator}": f"test_bins_after_{results.criterion}",
    }
    epoch = results.epoch or 0
    return {
        heading: arithmetic.of_recorded(*trial.bins(column, epoch)) for heading, column in columns.items()
    }


def entries(loss: str, observed: str, predicted: str) -> list[Artist]:
    """The entries of `diagram` in a legend.

    Args:
        observed: Name of the height of a bar.
        predicted: Name of the number that it should have.
    """
    return [
        Patch(facecolor=style.look(loss).color, alpha=0.5, label=observed),
        Patch(facecolor="none", edgecolor=style.GAP, hatch=HATCH, label=f"gap to {predicted}"),
        Line2D(
            [], [], color=style.INK, marker="|", markersize=9, linestyle="", label="95% band if calibrated"
        ),
    ]


def diagram(axes: Axes, found: Bins, loss: str) -> None:
    """The accuracy of each bin as a bar, its gap to the mean confidence, and its band."""
    bins = len(found.counts)
    filled = np.flatnonzero(found.counts)
    middles = (filled + 0.5) / bins
    accuracies, confidences = found.accuracies[filled], found.confidences[filled]
    axes.bar(middles, accuracies, 0.92 / bins, color=style.look(loss).color, alpha=0.5, label="accuracy")
    axes.bar(
        middles,
        confidences - accuracies,
        0.92 / bins,
        bottom=accuracies,
        facecolor="none",
        edgecolor=style.GAP,
        hatch=HATCH,
        linewidth=0.7,
        label="gap",
    )
    axes.errorbar(
        middles,
        confidences,
        yerr=[
            np.maximum(confidences - found.lower[filled], 0),
            np.maximum(found.upper[filled] - confidences, 0),
        ],
        fmt="none",
        ecolor=style.INK,
        elinewidth=1.0,
        capsize=2.2,
        label="band",
    )
    axes.plot([0, 1], [0, 1], color=style.INK, linestyle="--", linewidth=0.8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)


def histogram(axes: Axes, found: Bins, loss: str) -> None:
    """The share of samples in each bin, in percent, with mean confidence and accuracy."""
    bins, samples = len(found.counts), found.counts.sum()
    shares = 100 * found.counts / samples
    axes.bar((np.arange(bins) + 0.5) / bins, shares, 0.92 / bins, color=style.look(loss).color, alpha=0.5)
    for values, line, label in ((found.accuracies, "-", "accuracy"), (found.confidences, ":", "confidence")):
        mean = float(np.nansum(values * found.counts) / samples)
        axes.axvline(mean, color=style.INK, linestyle=line, linewidth=1.1, label=f"{label} {100 * mean:.1f}%")
    axes.legend(loc="upper left")
    axes.set_xlabel("confidence")
