"""The gamma that leaves the gradient at a probability as it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import style, theory
from results.figures.data import Results
from results.figures.kinds import Picture, figure


@figure(
    "γ at which focal loss regularises above p, by Lambert's W",
    "Mukhoti et al. 2020, Proposition 2",
    of_theory=True,
)
def pictures(results: Results) -> Iterator[Picture]:
    p = np.linspace(0.01, 0.49, 400)
    drawing, axes = style.grid(1, 1, 3.2, width=4.6)
    axis = axes[0, 0]
    look = style.look("flsd_53")
    axis.plot(p, theory.gamma_of(p), color=style.INK, label="g(p, γ) = 1")
    axis.plot(p, theory.sample_dependent_gamma(p), color=look.color, linestyle="--", label="FLSD-53")
    for at in (0.2, 0.25):
        gamma = float(theory.gamma_of(np.array(at)))
        axis.plot(at, gamma, "o", color=style.INK)
        axis.annotate(f"γ({at:g}) = {gamma:.2f}", (at, gamma), (8, 6), textcoords="offset points")
    axis.set_xlim(0, 0.5)
    axis.set_ylim(0, 12)
    axis.set_xlabel("probability p of the true class")
    axis.set_ylabel("γ")
    axis.legend()
    yield Picture((), "Gamma of Proposition 2", drawing)
