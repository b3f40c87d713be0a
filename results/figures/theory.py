"""Formulas of focal loss (Mukhoti et al. 2020), for figures that need no results.

p is a probability in (0, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from results.statistics.binned import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAMMAS = {0.5: ":", 1.0: "--", 2.0: "-.", 3.0: "-", 5.0: (0, (6, 1, 1, 1, 1, 1))}
"""Gammas and their lines."""

SHADES = {0.0: "#222222", 0.5: "#9bb8d3", 1.0: "#8fc1e3", 2.0: "#3f8fd0", 3.0: "#0b4a94", 5.0: "#4b2a7b"}


def probabilities(points: int = 400) -> Floats:
    """Probabilities [points] for an axis, without 0 and 1."""
    return (np.arange(points) + 0.5) / points


def focal(p: Floats, gamma: float) -> Floats:
    """Focal loss of a true-class probability: -(1 - p)^gamma log p. Section 3."""
    return np.asarray(-((1 - p) ** gamma) * np.log(p))


def gradient_factor(p: Floats, gamma: float) -> Floats:
    """g(p, gamma), the gradient of focal loss over that of cross-entropy. Proposition 1."""
    return np.asarray((1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * np.log(p))


def gamma_of(p: Floats) -> Floats:
    """The gamma above 0 at which g(p, gamma) = 1, for p in (0, 0.5). Proposition 2, by Lambert's W."""
    from scipy.special import lambertw

    a, b = 1 - p, p * np.log(p)
    return np.real(a / b + lambertw(-(a ** (1 - a / b)) / b * np.log(a), -1) / np.log(a))


def sample_dependent_gamma(p: Floats) -> Floats:
    """Gamma of FLSD-53: 5 below 0.2, else 3. Section 4."""
    return np.where(p < 0.2, 5.0, 3.0)


def risk(p: Floats, truth: float, gamma: float) -> Floats:
    """Expected focal loss of predicting p for an event of probability `truth`."""
    return truth * focal(p, gamma) + (1 - truth) * focal(1 - p, gamma)


def bound(p: Floats, truth: float, gamma: float) -> Floats:
    """Cross-entropy less gamma times the entropy of p, which `risk` is not below. Section 4."""
    cross_entropy = risk(p, truth, 0)
    return np.asarray(cross_entropy + gamma * (p * np.log(p) + (1 - p) * np.log(1 - p)))


def minimiser(truth: Floats, gamma: float) -> Floats:
    """The p that minimises `risk`, [points]: where its derivative is 0, by Brent's method."""
    from scipy.optimize import brentq

    def slope(p: float, q: float) -> float:
        ours, other = gradient_factor(np.array([p, 1 - p]), gamma)
        return float(-q * ours / p + (1 - q) * other / (1 - p))

    return np.array([brentq(slope, 1e-12, 1 - 1e-12, args=(float(q),)) for q in truth])


def gradient_factors(axes: Axes) -> None:
    """g(p, gamma) against p."""
    p = probabilities()
    for gamma, line in GAMMAS.items():
        axes.plot(p, gradient_factor(p, gamma), color=SHADES[gamma], linestyle=line, label=f"γ = {gamma:g}")
    axes.axhline(1, color=SHADES[0.0], linewidth=0.9, label="cross-entropy")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 2)
    axes.set_xlabel("probability p of the true class")
    axes.set_ylabel("g(p, γ)")
    axes.legend(loc="upper right", ncols=2)
