"""The factor by which focal loss changes the gradient of cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import style, theory
from results.figures.data import Results
from results.figures.kinds import Picture, figure


@figure(
    "Gradient factor g(p, γ), fixed and sample-dependent",
    "Mukhoti et al. 2020, Proposition 1",
    of_theory=True,
)
def pictures(results: Results) -> Iterator[Picture]:
    p = theory.probabilities()
    drawing, axes = style.grid(1, 2, 2.9, sharey=True)
    theory.gradient_factors(axes[0, 0])
    style.letter(axes[0, 0], 0, "fixed γ")
    axis = axes[0, 1]
    gammas = theory.sample_dependent_gamma(p)
    factors = np.array(
        [theory.gradient_factor(np.array(at), gamma) for at, gamma in zip(p, gammas, strict=True)]
    )
    for loss, values in {"focal_3": theory.gradient_factor(p, 3), "flsd_53": factors}.items():
        look = style.look(loss)
        axis.plot(p, values, color=look.color, linestyle="--" if loss == "focal_3" else "-", label=loss)
    axis.axhline(1, color=theory.SHADES[0.0], linewidth=0.9)
    axis.legend(axis.lines[:2], ["FL-3", "FLSD-53: γ = 5 below p = 0.2, else 3"], loc="upper right")
    axis.set_xlim(0, 1)
    axis.set_xlabel("probability p of the true class")
    style.letter(axis, 1, "sample-dependent γ")
    yield Picture((), "Gradient factor of focal loss", drawing)
