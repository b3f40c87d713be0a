"""How well confidence separates a test set from other data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import arithmetic, style
from results.figures.data import Part, Results, Trial, printed_dataset
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats
from results.tables import names


@figure("ROC of confidence and entropy as detectors of other data", "Ghosh et al. 2022, Figure 6")
def pictures(results: Results) -> Iterator[Picture]:
    drawn = False
    for cell in results.cells:
        trials = cell.one_seed(results.seed)
        for other in dict.fromkeys(other for trial in trials for other in trial.other):
            drawn = True
            drawing, axes = style.grid(1, 2, 3.2, sharex=True, sharey=True)
            handles = []
            for trial in trials:
                if other not in trial.other:
                    continue
                look, areas = style.look(trial.loss), []
                for axis, (inside, outside) in zip(axes[0], detectors(trial, other), strict=True):
                    false, true = arithmetic.roc(inside, outside)
                    areas.append(float(np.trapezoid(true, false)))
                    axis.plot(
                        false,
                        true,
                        color=look.color,
                        linestyle=look.line,
                        marker=look.marker,
                        markevery=0.12,
                        markersize=3.5,
                        label=trial.loss,
                    )
                label = f"{names.loss(trial.loss)} ({areas[0]:.3f}, {areas[1]:.3f})"
                handles.append(style.line_of(trial.loss, label))
            for number, (axis, heading) in enumerate(
                zip(axes[0], ("greatest probability", "entropy"), strict=True)
            ):
                axis.plot([0, 1], [0, 1], color=style.INK, linestyle="--", linewidth=0.8)
                axis.set_xlim(0, 1)
                axis.set_ylim(0, 1.01)
                axis.set_xlabel(f"share of {printed_dataset(cell.dataset)} taken for other data")
                style.letter(axis, number, f"by {heading}")
            axes[0, 0].set_ylabel(f"share of {printed_dataset(other)} detected")
            title = f"{cell.title} against {printed_dataset(other)}, seed {trials[0].seed}"
            style.heading(
                drawing, title, cell.note, "in brackets: area under the curve by probability, by entropy"
            )
            style.key(drawing, handles, 3)
            yield Picture((*cell.parts, other), f"ROC, {title}", drawing)
    if not drawn:
        raise NothingToDrawError("no trial was evaluated on other data than the test set.")


def detectors(trial: Trial, other: str) -> list[tuple[Floats, Floats]]:
    """Scores of the test set and of other data: less confidence, then more entropy, mean 'other data'."""
    parts = [trial.parts["test"], Part.of(trial.other[other]())]
    inside, outside = (arithmetic.log_softmax(part.logits) for part in parts)
    return [
        (-inside.max(axis=1), -outside.max(axis=1)),
        (arithmetic.entropy(inside), arithmetic.entropy(outside)),
    ]
