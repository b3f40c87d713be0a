"""The formulas of focal loss against torch's gradients, a search, and the code of the losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from results.figures import theory
from results.figures.data import Results
from trainables.losses import build
from trainables.losses.focal_theory import gamma_for_probability

from .conftest import drawn

P = np.array([0.03, 0.2, 0.5, 0.81, 0.97])


@pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0])
def test_the_factor_is_the_ratio_of_gradients(gamma: float) -> None:
    # Two classes with p of the true one: the gradient to its logit.
    gradients = []
    for name, params in (("focal", {"gamma": gamma}), ("cross_entropy", {})):
        logits = torch.tensor(np.stack([np.log(P / (1 - P)), np.zeros_like(P)], axis=1), requires_grad=True)
        build(name, **params)(logits, torch.zeros(len(P), dtype=torch.long)).backward()
        gradients.append(logits.grad[:, 0].numpy())
    np.testing.assert_allclose(theory.gradient_factor(P, gamma), gradients[0] / gradients[1], rtol=1e-5)


def test_gammas_are_those_of_the_losses() -> None:
    at = np.array([0.04, 0.2, 0.25, 0.43])
    np.testing.assert_allclose(theory.gamma_of(at), [gamma_for_probability(p) for p in at], rtol=1e-7)
    np.testing.assert_allclose(theory.gradient_factor(at, theory.gamma_of(at)), 1)
    ((x, y),) = [
        (line.get_xdata(), line.get_ydata())
        for line in drawn("focal_gamma", Results()).axes[0].lines
        if line.get_label() == "FLSD-53"
    ]
    assert set(y[x < 0.2]) == {5.0} and set(y[x > 0.2]) == {3.0}


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_the_minimiser_is_least(gamma: float) -> None:
    for truth in (0.1, 0.5, 0.93):
        found = minimize_scalar(
            lambda p, q=truth: theory.risk(np.array(p), q, gamma), bounds=(1e-6, 1 - 1e-6), method="bounded"
        )
        assert theory.minimiser(np.array([truth]), gamma)[0] == pytest.approx(found.x, abs=1e-4)


def test_focal_loss_lies_above_its_bound() -> None:
    p = theory.probabilities()
    for gamma in (1.0, 3.0):
        # Bernoulli's inequality, (1 - p)^gamma >= 1 - gamma p, which holds from gamma = 1 on.
        assert (theory.risk(p, 0.8, gamma) >= theory.bound(p, 0.8, gamma)).all()
    left = drawn("focal_regularisation", Results()).axes[0]
    assert [line.get_linestyle() for line in left.lines[:5]] == ["-", "-.", ":", "-.", ":"]
