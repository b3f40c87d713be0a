"""Focal loss and its derivative against the probability of the true class."""

from __future__ import annotations

from collections.abc import Iterator

from results.figures import style, theory
from results.figures.data import Results
from results.figures.kinds import Picture, figure


@figure("Focal loss and its derivative", "Mukhoti et al. 2020, section 3", of_theory=True)
def pictures(results: Results) -> Iterator[Picture]:
    p = theory.probabilities()
    drawing, axes = style.grid(1, 2, 2.9)
    for gamma, line in {0.0: "-", **theory.GAMMAS}.items():
        look = {"color": theory.SHADES[gamma], "linestyle": line}
        label = "cross-entropy (γ = 0)" if gamma == 0 else f"γ = {gamma:g}"
        axes[0, 0].plot(p, theory.focal(p, gamma), label=label, **look)
        axes[0, 1].plot(p, theory.gradient_factor(p, gamma) / p, **look)
    axes[0, 0].set_ylim(0, 4)
    axes[0, 0].set_ylabel("loss, nats")
    axes[0, 0].legend()
    axes[0, 1].set_yscale("log")
    style.plain_numbers(axes[0, 1].yaxis)
    axes[0, 1].set_ylim(1e-3, 30)
    axes[0, 1].set_ylabel("steepness, -dL/dp")
    for number, (axis, heading) in enumerate(zip(axes[0], ("loss", "derivative"), strict=True)):
        axis.set_xlim(0, 1)
        axis.set_xlabel("probability p of the true class")
        style.letter(axis, number, heading)
    yield Picture((), "Focal loss and its derivative", drawing)
