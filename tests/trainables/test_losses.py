"""The losses against the released code's numbers, and what they promise beyond those."""

from __future__ import annotations

import math
import re

import mpmath
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainables.errors import ConfigurationError
from trainables.losses import build
from trainables.losses.adafocal import AdaFocal
from trainables.losses.flsc import ScheduledFocal
from trainables.losses.flsd import SampleDependentFocal
from trainables.losses.focal_theory import gamma_for_probability
from trainables.losses.mmce import weighted_mmce

RELEASED = {
    "cross_entropy": ("cross_entropy", {}),
    "brier_score": ("brier", {"reduction": "mean"}),
    "mmce_weighted_lambda2": ("mmce", {"weight": 2.0, "reduction": "mean"}),
    "label_smoothing_0.05_nlp_branch": ("label_smoothing", {}),
    "focal_gamma1": ("focal_1", {}),
    "focal_gamma2": ("focal_2", {}),
    "focal_gamma3": ("focal", {"gamma": 3.0}),
    "flsd53": ("flsd_53", {}),
    "flsd532": ("flsd_532", {}),
    "flsd53_nlp_branch_mean_threshold0.19": ("flsd_53", {"threshold": 0.19, "reduction": "mean"}),
    "adafocal_initial": ("adafocal", {}),
    "adafocal_mixed": ("adafocal", {}),
    "inverse_focal_gamma0.2": ("inverse_focal", {"gamma": 0.2}),
    "inverse_focal_gamma1": ("inverse_focal", {}),
    "inverse_focal_gamma2": ("inverse_focal", {"gamma": 2.0}),
}


def released_loss(name, case):
    if name == "mmce_weighted_module":
        return weighted_mmce
    component, params = RELEASED[name]
    loss = build(component, **params)
    if name == "adafocal_mixed":
        loss.gammas.copy_(case.reference.array("adafocal_state_mixed/gammas"))
        loss.edges.copy_(case.reference.array("adafocal_state_mixed/edges"))
    return loss


@pytest.mark.parametrize("name", [*RELEASED, "mmce_weighted_module"])
def test_value_and_gradient_are_those_of_the_released_code(case, name):
    loss, expected = released_loss(name, case), case.facts["losses"][name]
    # Where equal confidences cancel, the released float32 gradient of the bare MMCE is rounding alone.
    noise = 2e-5 if name == "mmce_weighted_module" else 1e-12
    for bits, dtype, rtol, atol in (("f64", torch.float64, 1e-6, 1e-12), ("f32", torch.float32, 1e-5, noise)):
        logits = case.logits.to(dtype).requires_grad_()
        value = loss(logits, case.labels)
        (gradient,) = torch.autograd.grad(value, logits)
        gradient = gradient.double()
        torch.testing.assert_close(value.item(), expected[f"value_{bits}"], rtol=1e-6, atol=1e-9)
        rows, columns = (torch.arange(size, dtype=torch.float64) for size in gradient.shape)
        waves = torch.cos(0.37 * rows[:, None] + 1.3 * columns)
        size = expected[f"grad_abs_sum_{bits}"]
        measured = {"l2": gradient.norm(), "abs_sum": gradient.abs().sum(), "proj": (gradient * waves).sum()}
        for kind, number in measured.items():
            torch.testing.assert_close(
                number.item(), expected[f"grad_{kind}_{bits}"], rtol=rtol, atol=rtol * size / 10 + atol
            )
        recorded = case.array(f"grad/{name}")
        torch.testing.assert_close(
            gradient[: len(recorded)], recorded, rtol=rtol, atol=rtol * recorded.abs().max().item() + atol
        )


def test_adafocal_takes_the_gamma_of_the_bin_as_released(case):
    loss = released_loss("adafocal_mixed", case)
    probabilities = case.logits.softmax(dim=1).gather(1, case.labels[:, None]).squeeze(1)
    expected = case.array("adafocal_mixed_gamma_per_sample")
    torch.testing.assert_close(loss.gamma_of(probabilities).double(), expected, rtol=1e-6, atol=0)


def test_adafocal_cuts_the_validation_set_as_released(case):
    loss = AdaFocal(lambda_=1.0)
    loss.on_validation(case.logits, case.labels)
    torch.testing.assert_close(loss.edges, case.array("adaece_edges"), rtol=0, atol=1e-6)
    gaps = case.array("adabins")[:, 5]
    torch.testing.assert_close(loss.gammas.log(), gaps, rtol=0, atol=2e-6)


def test_adafocal_updates_follow_the_released_sequence(reference):
    loss = AdaFocal()
    gaps, edges, expected = (reference.array(f"gamma_seq1/{n}") for n in ("gaps", "edges", "gammas_after"))
    for step in range(len(gaps)):
        loss.update(gaps[step], edges[step])
        torch.testing.assert_close(loss.gammas, expected[step], rtol=1e-12, atol=0)
        assert torch.equal(loss.edges, edges[step])


def test_adafocal_switches_sign_and_stays_within_limits():
    loss = AdaFocal(initial_gamma=0.25)
    gaps = torch.zeros(15, dtype=torch.float64)
    gaps[:3] = torch.tensor([-0.5, 0.5, 0.0])
    loss.update(gaps, loss.edges.clone())
    assert loss.gammas[0] == -0.2 and loss.gammas[1] > 0.25 and loss.gammas[2] == 0.25
    for _ in range(60):
        gaps[:2] = torch.tensor([-0.9, 0.9])
        loss.update(gaps, loss.edges.clone())
    assert loss.gammas[0] == -2 and loss.gammas[1] == 20


@pytest.mark.parametrize(
    ("probability", "gamma"),
    [
        (torch.tensor(0.2), 3.0),
        (torch.nextafter(torch.tensor(0.2), torch.tensor(0.0)), 5.0),
        (torch.tensor(0.5), 2.0),
        (torch.nextafter(torch.tensor(0.5), torch.tensor(0.0)), 3.0),
        (torch.tensor(0.2, dtype=torch.float64), 3.0),
        (torch.tensor(0.0), 5.0),
        (torch.tensor(1.0), 2.0),
    ],
)
def test_flsd_boundaries_belong_above(probability, gamma):
    loss = SampleDependentFocal((5.0, 3.0, 2.0))
    assert loss.gamma_of(probability[None]).item() == gamma


def test_flsd_compares_with_the_threshold_itself_and_not_with_its_float32():
    # float32(0.19) is less than 0.19, so a float32 probability equal to it is below the threshold.
    loss = SampleDependentFocal((5.0, 3.0, 3.0), threshold=0.19)
    assert loss.gamma_of(torch.tensor([0.19], dtype=torch.float32)).item() == 5.0


def test_flsd_gammas_are_those_of_proposition_2_in_whole_numbers():
    assert gamma_for_probability(0.2) == pytest.approx(4.851, abs=5e-4)
    assert gamma_for_probability(0.25) == pytest.approx(3.070, abs=5e-4)
    gammas = SampleDependentFocal((5.0, 3.0, 2.0)).gammas
    assert [round(gamma_for_probability(p)) for p in (0.2, 0.25)] == gammas[:2].tolist()
    for outside in (0.5, 0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ConfigurationError, match=re.escape("(0, 0.5)")):
            gamma_for_probability(outside)
    with pytest.raises(ConfigurationError, match="overflows"):
        gamma_for_probability(5e-324)


@given(st.floats(0, 0.5, exclude_min=True, exclude_max=True) | st.floats(-307, -1).map(lambda e: 10**e))
@settings(max_examples=150, derandomize=True)
@example(0.49999)
@example(math.nextafter(0.5, 0))
@example(0.5 - 1e-12)
@example(0.25)
@example(1e-17)
@example(6e-308)
def test_the_gamma_of_proposition_2_is_right_to_nine_digits(probability):
    try:
        gamma = gamma_for_probability(probability)
    except ConfigurationError:
        assert probability < 6e-308
        return
    with mpmath.workdps(700 if probability < 1e-15 else 80):
        p = mpmath.mpf(probability)
        c, s = -p * mpmath.log(p) / (1 - p), (1 - p) * mpmath.log(1 - p) / (p * mpmath.log(p))
        exact = (-mpmath.lambertw(-s * mpmath.exp(-s), -1) / s - 1) / c
        assert abs(gamma / exact.real - 1) < 1e-9


@pytest.mark.parametrize("probability", [0.05, 0.2, 0.25, 0.4])
def test_proposition_2_makes_the_gradients_equal_there_and_focal_smaller_above(probability):
    loss = build("focal", gamma=gamma_for_probability(probability))

    def gradients(p):
        logits = torch.tensor([[p, 1 - p]], dtype=torch.float64).log()
        sizes = []
        for one in (loss, build("cross_entropy")):
            inputs = logits.clone().requires_grad_()
            sizes.append(torch.autograd.grad(one(inputs, torch.tensor([0])), inputs)[0].norm().item())
        return sizes

    focal, cross_entropy = gradients(probability)
    assert focal == pytest.approx(cross_entropy, rel=1e-9)
    focal, cross_entropy = gradients(probability + 0.02)
    assert focal < cross_entropy


@pytest.mark.parametrize(
    ("steps", "epochs", "changes"),
    [
        ((100, 250, 350), 350, (100, 250)),
        ((100, 250, 350), 50, (14, 35)),
        ((100, 250, 350), 430, (122, 307)),
        ((30, 70, 100), 100, (30, 70)),
        ((3, 7, 25), 25, (3, 7)),
    ],
)
def test_scheduled_gamma_changes_at_the_published_epochs(steps, epochs, changes):
    loss = ScheduledFocal((5.0, 3.0, 1.0), steps=steps)
    gammas = []
    for epoch in range(epochs):
        loss.on_epoch_start(epoch, epochs)
        gammas.append(loss.gamma.item())
    second, third = changes
    assert gammas == [5.0] * second + [3.0] * (third - second) + [1.0] * (epochs - third)


def test_scheduled_gamma_is_used_and_travels_in_the_state():
    loss, logits, labels = build("flsc_532"), torch.randn(9, 4), torch.arange(9) % 4
    assert torch.equal(loss(logits, labels), build("focal", gamma=5.0)(logits, labels))
    loss.on_epoch_start(349, 350)
    resumed = build("flsc_532")
    resumed.load_state_dict(loss.state_dict())
    assert torch.equal(resumed(logits, labels), build("focal_2")(logits, labels))


def test_mmce_pulls_on_no_logit_where_all_are_right_or_all_wrong():
    logits = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    for labels in (torch.tensor([0, 1]), torch.tensor([2, 0])):
        inputs = logits.clone().requires_grad_()
        value = weighted_mmce(inputs, labels)
        (gradient,) = torch.autograd.grad(value, inputs)
        assert value == 0 and torch.equal(gradient, torch.zeros_like(logits))


def test_mmce_has_a_gradient_where_its_square_vanishes_below_zero():
    # One sample right, two wrong, all with confidence 2/3: the offsets make the square about -1e-7.
    logits = torch.tensor([[2.0, 1.0]], dtype=torch.float64).log().repeat(3, 1).requires_grad_()
    value = weighted_mmce(logits, torch.tensor([0, 1, 1]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 0.2, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", ["focal", "inverse_focal"])
def test_the_gradient_is_finite_at_probability_one_and_zero(name, gamma):
    logits = torch.tensor([[500.0, 0.0], [-500.0, 0.0]], requires_grad=True)
    value = build(name, gamma=gamma)(logits, torch.tensor([0, 0]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite() and gradient.isfinite().all()
    assert torch.equal(gradient[0], torch.zeros(2))


def test_one_class_has_a_defined_loss():
    logits, labels = torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64)
    assert build("label_smoothing")(logits, labels) == 0
    assert build("brier")(logits, labels) == 0


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("focal", {"gamma": -1}, "inverse_focal"),
        ("inverse_focal", {"gamma": -1}, "must not be negative"),
        ("flsc", {"gammas": (5, 3, -1)}, "must not be negative"),
        ("flsc", {"gammas": (5, 3, 1), "steps": (10, 5, 20)}, "steps"),
        ("flsd", {"gammas": (5, 3, -1)}, "must not be negative"),
        ("flsd", {"gammas": (5, 3, 1), "threshold": 0.6}, "threshold"),
        ("label_smoothing", {"smoothing": 1.0}, "smoothing"),
        ("mmce", {"weight": -2}, "weight"),
        ("adafocal", {"switch": 0}, "positive"),
        ("adafocal", {"minimum_gamma": 0.5}, "minimum_gamma"),
        ("adafocal", {"initial_gamma": 0}, "initial_gamma"),
        ("dual_focal", {"gamma": -1}, "gamma"),
        ("focal_gra", {"gamma": -1}, "gamma"),
        ("bsce_gra", {"gamma": -1}, "gamma"),
        ("bsce_gra", {"norm": 0.5}, "norm"),
        ("mbls", {"margin": -1}, "margin"),
        ("focal_mdca", {"weight": -1}, "weight"),
        ("confidence_penalty", {"weight": -1}, "weight"),
        ("acls", {"lower": -1}, "lower"),
        ("cpc", {"exclusion": -1}, "exclusion"),
        ("sb_ece", {"weight": -1}, "weight"),
        ("sb_ece", {"temperature": 0}, "temperature"),
        ("sb_ece", {"bins": 0}, "bins"),
        ("esd", {"weight": -1}, "weight"),
        ("cals_alm", {"margin": 0}, "margin"),
        ("cals_alm", {"growth": 0.5}, "growth"),
        ("cals_alm", {"every": 0}, "every"),
        ("cals_alm", {"penalty": "p3"}, "penalty"),
        ("focal_1", {"gamma": 2}, "use 'focal'"),
        ("cross_entropy", {"reduction": "none"}, "reduction"),
    ],
)
def test_a_parameter_that_cannot_work_is_refused_in_one_line(name, params, message):
    with pytest.raises(ConfigurationError, match=message) as refusal:
        build(name, **params, class_counts=torch.ones(3))
    assert "\n" not in str(refusal.value)
