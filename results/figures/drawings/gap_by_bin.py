"""Confidence less accuracy in each bin, for focal losses with a fixed gamma."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from results.figures import arithmetic, style
from results.figures.data import Part, Results
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats, equal_mass_bins
from results.tables import names

BINS = 15
FIXED = re.compile(r"cross_entropy|focal_\d+|(inverse_)?focal(\(.*\))?")


@figure("Confidence less accuracy by bin, for fixed gammas", "Ghosh et al. 2022, gap by bin for fixed gammas")
def pictures(results: Results) -> Iterator[Picture]:
    drawn = False
    for cell in results.cells:
        losses = [loss for loss in cell.by_loss if FIXED.fullmatch(loss)]
        if len(losses) < 2:
            continue
        drawn = True
        drawing, axes = style.grid(1, 2, 2.9, sharey=True)
        for loss in losses:
            look = style.look(loss)
            for axis, part in zip(axes[0], ("validation", "test"), strict=True):
                gaps = np.array([gaps_of(trial.parts[part]) for trial in cell.by_loss[loss]])
                axis.plot(
                    1 + np.arange(BINS),
                    100 * gaps.mean(axis=0),
                    color=look.color,
                    linestyle=look.line,
                    marker=look.marker,
                    label=loss,
                )
        for number, part in enumerate(("validation", "test")):
            axes[0, number].axhline(0, color=style.INK, linewidth=0.8)
            axes[0, number].set_xlabel("bin of equal mass, from least to greatest confidence")
            style.letter(axes[0, number], number, f"{part} set")
        axes[0, 0].set_ylabel("confidence less accuracy, points")
        style.heading(drawing, cell.title, cell.note, "mean over seeds, overconfident above 0")
        style.key(drawing, [style.line_of(loss, names.loss(loss)) for loss in losses])
        yield Picture(cell.parts, f"Gap by bin, {cell.title}", drawing)
    if not drawn:
        raise NothingToDrawError(
            "no data set and model was trained with two losses of a fixed gamma (cross_entropy, focal_1)."
        )


def gaps_of(part: Part) -> Floats:
    """Confidence less accuracy in each of 15 bins of equal mass, [15]; NaN for an empty bin."""
    log_probabilities = arithmetic.log_softmax(part.logits)
    confidences, correct = arithmetic.top(log_probabilities, part.labels)
    _, means, accuracies = arithmetic.by_bin(confidences, correct, BINS, equal_mass_bins)
    return means - accuracies
