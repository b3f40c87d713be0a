"""Focal loss as cross-entropy that is regularised by entropy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from results.figures import style, theory
from results.figures.data import Results
from results.figures.kinds import Picture, figure

TRUTH = 0.8
BOUNDED = (1.0, 3.0)


@figure(
    "Focal loss as regularised cross-entropy, and its minimiser",
    "Mukhoti et al. 2020, section 4",
    of_theory=True,
)
def pictures(results: Results) -> Iterator[Picture]:
    p = theory.probabilities()
    drawing, axes = style.grid(1, 2, 3.0)
    left, right = axes[0]
    left.plot(p, theory.risk(p, TRUTH, 0), color=theory.SHADES[0.0], label="cross-entropy")
    for gamma in BOUNDED:
        shade = theory.SHADES[gamma]
        left.plot(
            p, theory.risk(p, TRUTH, gamma), color=shade, linestyle="-.", label=f"focal loss, γ = {gamma:g}"
        )
        label = f"cross-entropy less {gamma:g} x entropy"
        left.plot(p, theory.bound(p, TRUTH, gamma), color=shade, linestyle=":", label=label)
    left.axvline(TRUTH, color=style.BAND, linewidth=0.8)
    left.set_ylim(-2, 3)
    left.set_xlim(0, 1)
    left.set_xlabel("predicted probability p")
    left.set_ylabel(f"expected loss if the truth is {TRUTH:g}, nats")
    left.legend()
    truth = np.linspace(0.002, 0.998, 251)
    right.plot([0, 1], [0, 1], color=theory.SHADES[0.0], label="cross-entropy")
    for gamma, line in theory.GAMMAS.items():
        label = f"γ = {gamma:g}"
        right.plot(
            truth, theory.minimiser(truth, gamma), color=theory.SHADES[gamma], linestyle=line, label=label
        )
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    right.set_xlabel("true probability")
    right.set_ylabel("predicted probability of least loss")
    right.legend()
    for number, (axis, heading) in enumerate(zip(axes[0], ("bound by entropy", "minimiser"), strict=True)):
        style.letter(axis, number, heading)
    yield Picture((), "Regularisation by focal loss", drawing)
