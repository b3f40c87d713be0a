"""Prior correction against Bayes' rule, where all densities are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from trainables import calibrators
from trainables.errors import ConfigurationError, InputError

COUNTS = np.array([900, 90, 10])
CENTRES = np.array([-1.5, 0.0, 1.5])


def drawn(counts: np.ndarray, sharpness: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Logits of a network that knows the training priors, labels, and the densities of each class [N, K].

    Args:
        counts: Samples of each class.
        sharpness: Factor of the logarithms of the densities in the logits.
    """
    labels = np.repeat(np.arange(3), counts)
    places = np.random.default_rng(7).normal(CENTRES[labels])
    densities = norm.pdf(places[:, None], CENTRES)
    logits = sharpness * np.log(densities) + np.log(COUNTS)
    return torch.from_numpy(logits), torch.from_numpy(labels), densities


@pytest.mark.parametrize("target", [(), (5.0, 3.0, 2.0)])
def test_the_priors_of_use_take_the_place_of_those_of_training(target: tuple[float, ...]) -> None:
    logits, labels, densities = drawn(COUNTS)
    fitted = calibrators.fit("prior_correction", logits, labels, class_counts=COUNTS, target=target)
    joint = densities * (target or (1.0, 1.0, 1.0))
    expected = joint / joint.sum(axis=1, keepdims=True)
    assert fitted.log_probabilities(logits).exp().numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("validation", [30 * COUNTS, np.array([9000, 9000, 9000])])
def test_the_temperature_follows_from_a_long_tailed_part_as_from_a_balanced_one(
    validation: np.ndarray,
) -> None:
    logits, labels, _ = drawn(validation, sharpness=2.0)
    fitted = calibrators.fit("prior_correction_temperature", logits, labels, class_counts=COUNTS)
    assert fitted.temperature == pytest.approx(2.0, abs=0.15)
    test, _, densities = drawn(np.array([50, 50, 50]), sharpness=2.0)
    powers = densities ** (2 / fitted.temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert fitted.log_probabilities(test).exp().numpy() == pytest.approx(expected, rel=1e-9)


def test_unknown_counts_and_impossible_targets_are_refused() -> None:
    logits, labels, _ = drawn(COUNTS)
    with pytest.raises(InputError, match="class_counts"):
        calibrators.fit("prior_correction", logits, labels)
    for target in ((1.0, 2.0), (1.0, 0.0, 2.0)):
        with pytest.raises(ConfigurationError, match="target"):
            calibrators.fit("prior_correction", logits, labels, class_counts=COUNTS, target=target)
