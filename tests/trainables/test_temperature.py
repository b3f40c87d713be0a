"""The vectorised search against the released code's choices and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.calibration import TEMPERATURES, adaptive_ece, ece, fit_temperature
from trainables.calibrators.temperature import CRITERIA, NODES, _interpolation, best, criterion_curves


def plain_curves(logits, labels):
    """Each criterion at each temperature, by one softmax in float64 per temperature."""
    curves = {criterion: [] for criterion in CRITERIA}
    for temperature in TEMPERATURES:
        probabilities = (logits.double() / temperature).softmax(1)
        curves["ece"].append(ece(probabilities, labels))
        curves["adaptive_ece"].append(adaptive_ece(probabilities, labels))
        logarithms = (logits.double() / temperature).log_softmax(1)
        curves["nll"].append(-logarithms.gather(1, labels[:, None]).mean().item())
    return {criterion: np.array(curve) for criterion, curve in curves.items()}


def test_the_grid_is_exact_decimals():
    decimals = [float(f"{whole}.{tenth}") for whole in range(11) for tenth in range(10)]
    assert list(TEMPERATURES) == decimals[1:101]


def test_the_criteria_are_those_of_the_released_code_on_the_whole_grid(case):
    curves = criterion_curves(case.logits, case.labels, CRITERIA)
    for criterion in ("ece", "nll"):
        expected = case.array(f"{criterion}_grid").numpy()
        np.testing.assert_allclose(curves[criterion].numpy(), expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(("bits", "dtype"), [("f32", torch.float32), ("f64", torch.float64)])
@pytest.mark.parametrize("criterion", ["ece", "nll"])
def test_the_temperature_is_that_of_the_released_code(case, bits, dtype, criterion):
    expected = case.facts[f"temperature_{bits}"][f"T_opt_{criterion}"]
    assert fit_temperature(case.logits.to(dtype), case.labels, criterion) == round(expected, 1)


@pytest.mark.parametrize(("samples", "classes", "scale"), [(700, 3, 0.7), (333, 40, 3.0), (90, 1000, 2.0)])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_it_agrees_with_a_plain_loop(samples, classes, scale, criterion):
    generator = torch.Generator().manual_seed(samples)
    logits = scale * torch.randn(samples, classes, generator=generator)
    labels = torch.multinomial((0.6 * logits).softmax(1), 1, generator=generator).squeeze(1)
    expected = plain_curves(logits, labels)[criterion]
    curve = criterion_curves(logits, labels, [criterion])[criterion].numpy()
    np.testing.assert_allclose(curve, expected, rtol=1e-9, atol=1e-9)
    assert fit_temperature(logits, labels, criterion) == TEMPERATURES[expected.argmin()]


@given(
    st.integers(1, 40), st.integers(1, 8), st.sampled_from([0.1, 1.0, 30.0, 1000.0]), st.integers(0, 10**6)
)
@settings(max_examples=40, derandomize=True)
def test_its_choice_is_as_good_as_the_best_of_a_plain_loop(samples, classes, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(samples, classes, generator=generator)
    labels = torch.randint(classes, (samples,), generator=generator)
    curves = plain_curves(logits, labels)
    # Adaptive ECE is not asked where all confidences are equal.
    for criterion in ("ece", "nll"):
        expected = curves[criterion]
        chosen = TEMPERATURES.index(fit_temperature(logits, labels, criterion))
        assert expected[chosen] <= expected.min() + 1e-8


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_smallest_of_equally_good_temperatures_wins(criterion):
    logits = torch.zeros(30, 10)
    assert fit_temperature(logits, torch.zeros(30, dtype=torch.int64), criterion) == 0.1
    curve = torch.full((100,), 0.25, dtype=torch.float64)
    curve[[40, 70]] = 0.125
    curve[40] += 1e-15
    assert best(curve) == 40


def test_adaptive_ece_chooses_no_temperature_with_an_empty_bin():
    # Gaps of 4 to 8, a third wrong: at T = 0.1 all confidences are 1, and no sample is in a bin.
    gaps = torch.linspace(4, 8, 90)
    logits = torch.stack([gaps, torch.zeros(90)], dim=1)
    labels = (torch.arange(90) % 3 == 0).long()
    assert adaptive_ece((logits.double() / 0.1).softmax(1), labels) == 0
    assert fit_temperature(logits, labels, "adaptive_ece") == pytest.approx(8.0, abs=1.0)


def test_the_normaliser_is_interpolated_to_eleven_digits():
    # All that a row's normaliser is made of are the functions exp(-d / T), one for each gap d >= 0.
    inverses, weights = _interpolation()
    gaps = torch.cat([torch.zeros(1), torch.logspace(-5, 4, 20_000)]).double()
    interpolated = torch.exp(-gaps[:, None] * inverses.double()) @ weights.T
    exact = torch.exp(-gaps[:, None] / torch.tensor(TEMPERATURES, dtype=torch.float64))
    assert weights.shape == (len(TEMPERATURES), NODES)
    assert (interpolated - exact).abs().max() < 1e-11
    assert weights.abs().sum(dim=1).max() < 4  # so that rounding of the nodes' exponentials is not amplified


def test_input_is_left_as_it_was_and_needs_no_order_in_memory():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(12, 200, generator=generator).T * 3
    labels = torch.randint(12, (200,), generator=generator)
    before = logits.clone()
    assert not logits.is_contiguous()
    assert fit_temperature(logits, labels) == fit_temperature(logits.contiguous(), labels)
    assert torch.equal(logits, before)
