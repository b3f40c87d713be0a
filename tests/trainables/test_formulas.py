"""Losses have the values and gradients of their papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.losses import build
from trainables.losses.testing import check

from .formulas import CASES, COUNTS, PENALTIES, by_effective_number, cals_alm, ldam_drw

SAMPLES, CLASSES = 11, 5
STEP = 1e-5


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Logits that lie apart by up to 30, half of them right, the others in doubt or wrong."""
    generator = np.random.default_rng(4)
    logits = generator.normal(size=(SAMPLES, CLASSES)) * np.linspace(0.5, 12, SAMPLES)[:, None]
    labels = generator.integers(CLASSES, size=SAMPLES)
    labels[::2] = logits[::2].argmax(axis=1)
    return logits, labels


@pytest.mark.parametrize(("name", "params", "formula"), CASES)
def test_value_and_gradient_are_those_of_the_formula(name, params, formula):
    z, y = batch()
    logits = torch.from_numpy(z).requires_grad_()
    loss = build(name, **params, reduction="mean", class_counts=torch.tensor(COUNTS))
    value = loss(logits, torch.from_numpy(y))
    assert value.item() == pytest.approx(formula(z, y, z, **params), rel=1e-9)
    (gradient,) = torch.autograd.grad(value, logits)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = STEP
        slope = (formula(z + step, y, z, **params) - formula(z - step, y, z, **params)) / (2 * STEP)
        # Of large values, rounding takes more from a difference.
        assert gradient[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-9 * max(1, value.item())), (
            place
        )


@pytest.mark.parametrize("penalty", PENALTIES)
def test_cals_alm_moves_multipliers_and_stiffness_as_the_paper(penalty):
    params = {"margin": 4.0, "penalty": penalty}
    loss = build("cals_alm", **params, every=2, reduction="mean", class_counts=torch.ones(CLASSES).long())
    generator = np.random.default_rng(5)
    multipliers, stiffness, before = np.full(CLASSES, 1e-6), np.ones(CLASSES), np.full(CLASSES, np.inf)
    for epoch in range(1, 7):
        # The first class is always within its margin; the others are so in some epochs.
        z = generator.normal(size=(13, CLASSES)) * np.array([0.1, 2, 4, 6, 8]) * epoch**0.5
        z[:, 0] += 4
        loss.on_validation(torch.from_numpy(z), torch.zeros(13).long())
        excess = (z.max(axis=1, keepdims=True) - z) / 4.0 - 1
        slopes = np.empty_like(excess)
        for (i, k), h in np.ndenumerate(excess):
            above, below = (PENALTIES[penalty](h + e, multipliers[k], stiffness[k]) for e in (1e-6, -1e-6))
            slopes[i, k] = np.clip((above - below) / 2e-6, 1e-6, 1e6)
        multipliers = slopes.mean(axis=0)
        for k, mean in enumerate(excess.mean(axis=0)):
            if epoch % 2 == 0 and mean > 0.9 * max(before[k], 0):
                stiffness[k] *= 1.2
            before[k] = mean
        assert loss.multipliers.numpy() == pytest.approx(multipliers, rel=1e-5, abs=1e-9)
        assert loss.stiffness.numpy() == pytest.approx(stiffness, rel=1e-12)
    assert len(set(stiffness)) > 1, "some class must have been stuck, and another not"
    z, y = batch()
    expected = cals_alm(z, y, z, **params, multipliers=multipliers, stiffness=stiffness)
    assert loss(torch.from_numpy(z), torch.from_numpy(y)).item() == pytest.approx(expected, rel=1e-6)


def test_cals_alm_conforms_with_its_other_penalty():
    assert check("cals_alm", penalty="p2") == []


def test_ldam_weighs_classes_from_a_share_of_the_epochs():
    loss = build("ldam_drw", beta=0.6, reduction="mean", class_counts=torch.tensor(COUNTS))
    z, y = batch()
    weights = by_effective_number(0.6)
    weights /= np.average(weights, weights=COUNTS)
    for epoch in (0, 159, 160, 199):
        loss.on_epoch_start(epoch, 200)
        expected = ldam_drw(z, y, z, weights=weights if epoch >= 160 else np.ones(CLASSES))
        assert loss(torch.from_numpy(z), torch.from_numpy(y)).item() == pytest.approx(expected, rel=1e-9)
