"""Losses once more, as their papers print them: one sample and one class at a time, in NumPy.

Each function returns the mean loss of a batch, a float.

Args of each:
    z: Logits, float64 [N, K].
    y: Labels, int64 [N].
    fixed: The logits from which factors without a gradient are computed, [N, K]. Equal to `z` but in the
        difference quotients that check a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
from scipy.special import entr, expit, log_expit, log_softmax, softmax

Formula = Callable[..., float]
CASES: list[tuple[str, dict[str, Any], Formula]] = []


def states(name: str, *params: dict[str, Any]) -> Callable[[Formula], Formula]:
    """Marks the formula of the loss `name`, to be compared for its defaults and for each of `params`."""

    def mark(formula: Formula) -> Formula:
        CASES.extend((name, given, formula) for given in ({}, *params))
        return formula

    return mark


def cross_entropy(z, y):
    return -np.mean([log_softmax(row)[true] for row, true in zip(z, y, strict=True)])


@states("dual_focal", {"gamma": 0.5}, {"gamma": 2.3})
def dual_focal(z, y, fixed, gamma=5.0):
    losses = []
    for row, true in zip(z, y, strict=True):
        p = softmax(row)
        below = [p[k] for k in range(len(p)) if k != true and p[k] < p[true]]
        losses.append(-((1 - p[true] + max(below, default=0)) ** gamma) * np.log(p[true]))
    return np.mean(losses)


@states("focal_gra", {"gamma": 0.5}, {"gamma": 3.0})
def focal_gra(z, y, fixed, gamma=1.0):
    weights = [(1 - softmax(row)[true]) ** gamma for row, true in zip(fixed, y, strict=True)]
    return np.mean([-w * log_softmax(row)[true] for w, row, true in zip(weights, z, y, strict=True)])


@states("bsce_gra", {"gamma": 1.0, "norm": 1.0}, {"gamma": 2.5, "norm": 3.0})
def bsce_gra(z, y, fixed, gamma=4.0, norm=2.0):
    losses = []
    for row, kept, true in zip(z, fixed, y, strict=True):
        distances = [abs((k == true) - p) for k, p in enumerate(softmax(kept))]
        weight = sum(distance**norm for distance in distances) ** (1 / norm)
        losses.append(-(weight**gamma) * log_softmax(row)[true])
    return np.mean(losses)


@states("mbls", {"weight": 0.7, "margin": 3.0})
def mbls(z, y, fixed, weight=0.1, margin=10.0):
    penalties = [np.mean([max(0, max(row) - one - margin) for one in row]) for row in z]
    return cross_entropy(z, y) + weight * np.mean(penalties)


@states("focal_mdca", {"gamma": 0.0, "weight": 5.0}, {"gamma": 3.0, "weight": 2.0})
def focal_mdca(z, y, fixed, gamma=1.0, weight=1.0):
    p = softmax(z, axis=1)
    focal = np.mean([-((1 - p[i, true]) ** gamma) * np.log(p[i, true]) for i, true in enumerate(y)])
    differences = [abs(np.mean(p[:, k]) - np.mean(y == k)) for k in range(z.shape[1])]
    return focal + weight * np.mean(differences)


@states("confidence_penalty", {"weight": 1.5})
def confidence_penalty(z, y, fixed, weight=0.1):
    return cross_entropy(z, y) - weight * np.mean([sum(entr(softmax(row))) for row in z])


@states("acls", {"weight": 0.5, "upper": 0.2, "lower": 2.0, "margin": 4.0})
def acls(z, y, fixed, weight=0.1, upper=1.0, lower=0.1, margin=10.0):
    penalties = []
    for row, kept in zip(z, fixed, strict=True):
        predicted = np.argmax(kept)
        for k, one in enumerate(row):
            if k == predicted:
                penalties.append(upper * max(0, one - margin) ** 2)
            else:
                penalties.append(lower * max(0, kept[predicted] - one - margin) ** 2)
    return cross_entropy(z, y) + weight * np.mean(penalties)


@states("cpc", {"discrimination": 2.0, "exclusion": 0.3})
def cpc(z, y, fixed, discrimination=0.1, exclusion=1.0):
    won, undecided = [], []
    for row, true in zip(z, y, strict=True):
        wrong = [one for k, one in enumerate(row) if k != true]
        won.append(np.mean([-log_expit(row[true] - one) for one in wrong]))
        undecided.append(np.mean([-log_expit(one - other) / 2 for one, other in permutations(wrong, 2)]))
    return cross_entropy(z, y) + discrimination * np.mean(won) + exclusion * np.mean(undecided)


@states("sb_ece", {"weight": 0.5, "temperature": 0.2, "bins": 4})
def sb_ece(z, y, fixed, weight=2.0, temperature=0.01, bins=15):
    confidences, right = np.max(softmax(z, axis=1), axis=1), np.argmax(z, axis=1) == y
    centres = [(j + 0.5) / bins for j in range(bins)]
    members = np.array([softmax([-((c - b) ** 2) / temperature for b in centres]) for c in confidences])
    square = 0.0
    for j in range(bins):
        size = members[:, j].sum()
        accuracy = (members[:, j] * right).sum() / size
        square += size / len(y) * (accuracy - (members[:, j] * confidences).sum() / size) ** 2
    return cross_entropy(z, y) + weight * np.sqrt(square + 1e-10)


@states("esd", {"weight": 0.5})
def esd(z, y, fixed, weight=4.0):
    confidences, right = np.max(softmax(z, axis=1), axis=1), np.argmax(z, axis=1) == y
    estimates = []
    for i in range(len(y)):
        others = [j for j in range(len(y)) if j != i]
        gaps = [(right[j] - confidences[j]) * (confidences[j] <= confidences[i]) for j in others]
        estimates.append(np.mean(gaps) ** 2 - np.var(gaps, ddof=1) / len(others))
    return cross_entropy(z, y) + weight * np.mean(estimates)


PENALTIES = {
    "phr": lambda h, m, r: m * h + r * h**2 / 2 if m + r * h >= 0 else -(m**2) / (2 * r),
    "p2": lambda h, m, r: m * h + m * r * h**2 + r**2 * h**3 / 6 if h >= 0 else m * h / (1 - r * h),
}
"""The penalty of one logit, of h, multiplier and stiffness."""


@states("cals_alm", {"margin": 3.0, "penalty": "p2"})
def cals_alm(z, y, fixed, margin=10.0, penalty="phr", multipliers=None, stiffness=None):
    classes = z.shape[1]
    multipliers = [1e-6] * classes if multipliers is None else multipliers
    stiffness = [1.0] * classes if stiffness is None else stiffness
    excess = np.array([[(max(row) - one) / margin - 1 for one in row] for row in z])
    costs = [PENALTIES[penalty](h, multipliers[k], stiffness[k]) for (_, k), h in np.ndenumerate(excess)]
    return cross_entropy(z, y) + np.mean(costs)


COUNTS = (1, 2, 3, 4, 5)
"""Training samples of each class."""


def weighted(z, y, gamma, weights):
    """Mean of w_y (1 - p_y)^gamma (-log p_y)."""
    p = [softmax(row)[true] for row, true in zip(z, y, strict=True)]
    logs = [log_softmax(row)[true] for row, true in zip(z, y, strict=True)]
    return np.mean([-weights[k] * (1 - one) ** gamma * log for k, one, log in zip(y, p, logs, strict=True)])


def by_frequency(power):
    """n_k^-power, divided by its mean over the samples."""
    of_samples = [n**-power for n in COUNTS for _ in range(n)]
    return [n**-power / np.mean(of_samples) for n in COUNTS]


def by_effective_number(beta):
    """1 / E_n, with E_n = 1 + beta + ... + beta^(n - 1)."""
    return np.array([1 / sum(beta**i for i in range(n)) for n in COUNTS])


@states("weighted_cross_entropy", {"power": 0.3})
def weighted_cross_entropy(z, y, fixed, power=1.0):
    return weighted(z, y, 0, by_frequency(power))


@states("square_root_weighted_cross_entropy")
def square_root_weighted_cross_entropy(z, y, fixed):
    return weighted(z, y, 0, by_frequency(0.5))


@states("alpha_focal", {"gamma": 0.5, "power": 0.7})
def alpha_focal(z, y, fixed, gamma=2.0, power=1.0):
    return weighted(z, y, gamma, by_frequency(power))


@states("class_balanced_focal", {"gamma": 0.5, "beta": 0.6}, {"beta": 0.0})
def class_balanced_focal(z, y, fixed, gamma=2.0, beta=0.9999):
    weights = by_effective_number(beta)
    return weighted(z, y, gamma, len(COUNTS) * weights / sum(weights))


@states("class_balanced_cross_entropy", {"beta": 0.6})
def class_balanced_cross_entropy(z, y, fixed, beta=0.9999):
    return class_balanced_focal(z, y, fixed, gamma=0, beta=beta)


@states("balanced_softmax")
def balanced_softmax(z, y, fixed):
    losses = []
    for row, true in zip(z, y, strict=True):
        greatest = max(row)
        terms = [n * np.exp(one - greatest) for n, one in zip(COUNTS, row, strict=True)]
        losses.append(-(row[true] - greatest + np.log(COUNTS[true]) - np.log(sum(terms))))
    return np.mean(losses)


@states("logit_adjustment", {"tau": 2.5})
def logit_adjustment(z, y, fixed, tau=1.0):
    return cross_entropy(z + tau * np.log(np.array(COUNTS) / sum(COUNTS)), y)


@states("ldam_drw", {"margin": 0.2, "scale": 2.0})
def ldam_drw(z, y, fixed, margin=0.5, scale=30.0, weights=(1, 1, 1, 1, 1)):
    widths = np.array(COUNTS) ** -0.25
    losses = []
    for row, true in zip(z, y, strict=True):
        moved = row.copy()
        moved[true] -= margin * widths[true] / max(widths)
        losses.append(-weights[true] * log_softmax(scale * moved)[true])
    return np.mean(losses)


def one_against_all(row, true, gamma):
    """-(1 - p_t)^gamma log p_t of each class."""
    signed = [one if k == true else -one for k, one in enumerate(row)]
    return [-((1 - expit(one)) ** gamma) * log_expit(one) for one in signed]


@states("sigmoid_focal", {"gamma": 0.5, "alpha": 0.7})
def sigmoid_focal(z, y, fixed, gamma=2.0, alpha=0.25, prior=0.01):
    losses = []
    for row, true in zip(z, y, strict=True):
        costs = one_against_all(row, true, gamma)
        losses.append(sum((alpha if k == true else 1 - alpha) * cost for k, cost in enumerate(costs)))
    return np.mean(losses)


@states("class_balanced_sigmoid_focal", {"gamma": 0.5, "beta": 0.6})
def class_balanced_sigmoid_focal(z, y, fixed, gamma=2.0, beta=0.9999):
    weights = by_effective_number(beta)
    weights = len(COUNTS) * weights / sum(weights)
    costs = [weights[true] * sum(one_against_all(row, true, gamma)) for row, true in zip(z, y, strict=True)]
    return np.mean(costs)
