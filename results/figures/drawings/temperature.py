"""Calibration error and likelihood against the temperature, with the chosen temperature."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import arithmetic, style
from results.figures.data import Results
from results.figures.errors import NothingToDrawError
from results.figures.kinds import Picture, figure
from results.scoring.scores import known_metrics
from results.tables import names


@figure("ECE and NLL against the temperature, with the chosen one", "Guo et al. 2017, section 4.2")
def pictures(results: Results) -> Iterator[Picture]:
    grid = arithmetic.TEMPERATURES
    for cell in results.cells:
        drawing, axes = style.grid(2, 2, 2.3, sharex=True, sharey="col")
        trials = [trial for trial in cell.one_seed(results.seed) if "validation" in trial.parts]
        if not trials:
            raise NothingToDrawError("there are no validation data to choose a temperature on.")
        handles = []
        for row, part in enumerate(("validation", "test")):
            for trial in trials:
                look, chosen = style.look(trial.loss), results.temperature(trial)
                at = np.flatnonzero(np.isclose(grid, chosen))
                curves = arithmetic.over_temperatures(trial.parts[part].logits, trial.parts[part].labels)
                for axis, curve in zip(axes[row], (100 * curves[0], curves[1]), strict=True):
                    axis.plot(
                        grid,
                        curve,
                        color=look.color,
                        linestyle=look.line,
                        marker=look.marker,
                        markevery=at.tolist(),
                        markersize=6,
                        markeredgecolor="white",
                        label=trial.loss,
                    )
                if row == 0:
                    handles.append(style.line_of(trial.loss, f"{names.loss(trial.loss)}, T = {chosen:.1f}"))
            axes[row, 0].set_ylabel(f"ECE on {part} data, %")
            axes[row, 1].set_ylabel(f"NLL on {part} data, nats")
        least = min(float(line.get_ydata().min()) for axis in axes[:, 1] for line in axis.lines)
        at_one = max(float(line.get_ydata()[9]) for line in axes[1, 1].lines)
        axes[0, 0].set_ylim(bottom=0)
        axes[0, 1].set_ylim(0.9 * least, max(2.5 * least, 1.1 * at_one))
        for axis in axes[1]:
            axis.set_xscale("log")
            axis.set_xlim(grid[0], grid[-1])
            axis.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
            axis.minorticks_off()
            axis.set_xlabel("temperature T")
        criterion = known_metrics()[results.criterion].title
        alone = len(trials) == 1
        title = cell.titled(trials[0]) if alone else f"{cell.title}, seed {trials[0].seed}"
        style.heading(drawing, title, cell.note, f"marked is T chosen by validation {criterion}")
        style.key(drawing, handles, 4)
        parts = (*cell.parts, trials[0].loss) if alone else cell.parts
        yield Picture(parts, f"ECE and NLL against the temperature, {title}", drawing)
