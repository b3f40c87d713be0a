"""The losses since 2020 have the values and gradients of their papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.losses import build

from .formulas import CASES

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
    loss = build(name, **params, reduction="mean", class_counts=torch.arange(1, CLASSES + 1))
    value = loss(logits, torch.from_numpy(y))
    assert value.item() == pytest.approx(formula(z, y, z, **params), rel=1e-9)
    (gradient,) = torch.autograd.grad(value, logits)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = STEP
        slope = (formula(z + step, y, z, **params) - formula(z - step, y, z, **params)) / (2 * STEP)
        assert gradient[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-9), place
