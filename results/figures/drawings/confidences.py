"""Single test samples with their images, and each loss's confidence in its prediction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import arithmetic, style
from results.figures.data import Results, Trial
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Picture, figure
from results.statistics.binned import Floats, Ints
from results.tables import names

SAMPLES = 6


@figure("Confidences in single samples, with their images", "Mukhoti et al. 2020, Figure 9")
def pictures(results: Results) -> Iterator[Picture]:
    drawn = False
    for cell in results.cells:
        trials = cell.one_seed(results.seed)
        rows, confidences, predictions = chosen(trials)
        test = trials[0].parts["test"]
        images = results.images(trials[0], test.sample_ids[rows]) if results.images else None
        if images is None:
            continue
        drawn = True
        drawing = style.new(1.5 + 0.2 * len(trials))
        axes = drawing.subplots(
            2, len(rows), squeeze=False, height_ratios=[1.0, 0.28 * len(trials)], sharey="row"
        )
        for column, row in enumerate(rows):
            image, bars = axes[:, column]
            image.imshow(images[column], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            image.set_axis_off()
            image.set_title(f"class {test.labels[row]}", loc="center")
            for place, trial in enumerate(trials):
                confidence, right = confidences[place, column], predictions[place, column] == test.labels[row]
                bars.barh(
                    place,
                    100 * confidence,
                    0.75,
                    color=style.look(trial.loss).color,
                    alpha=0.85 if right else 0.4,
                    hatch="" if right else "////",
                    edgecolor="white" if right else style.INK,
                    linewidth=0.4,
                )
                text = f"{100 * confidence:.0f}" + ("" if right else f" as {predictions[place, column]}")
                bars.text(103, place, text, va="center", fontsize=7)
            bars.set_xlim(0, 100)
            bars.set_xlabel("confidence, %")
            bars.grid(False, axis="y")
        axes[1, 0].set_yticks(range(len(trials)), [names.loss(trial.loss) for trial in trials])
        axes[1, 0].set_ylim(len(trials) - 0.5, -0.5)
        title = f"{cell.title}, seed {trials[0].seed}"
        style.heading(
            drawing, title, cell.note, "confidence in the predicted class, hatched where it is wrong"
        )
        yield Picture(cell.parts, f"Confidences in single samples, {title}", drawing)

    if not drawn:
        raise NothingToDrawError("none of the data sets has images.")


def chosen(trials: list[Trial]) -> tuple[Ints, Floats, Ints]:
    """Three samples that most losses get wrong, with great confidence; three about which right losses differ.

    Returns:
        Rows of the test part [6]; confidence and predicted class of each loss there, [losses, 6] each.
    """
    found = [_predicted(trial) for trial in trials]
    confidences, predictions = (np.array(values) for values in zip(*found, strict=True))
    wrong = (predictions != trials[0].parts["test"].labels).mean(axis=0)
    worst = np.lexsort((-confidences.mean(axis=0), -wrong))[: SAMPLES // 2]
    right = np.setdiff1d(np.flatnonzero(wrong == 0), worst)
    spread = confidences[:, right].std(axis=0)
    rows = np.concatenate([worst, right[np.argsort(-spread, kind="stable")][: SAMPLES // 2]])
    return rows, confidences[:, rows], predictions[:, rows]


def _predicted(trial: Trial) -> tuple[Floats, Ints]:
    """Confidence and predicted class of each test sample, [N] each."""
    log_probabilities = arithmetic.log_softmax(trial.parts["test"].logits)
    return np.exp(log_probabilities.max(axis=1)), log_probabilities.argmax(axis=1)
