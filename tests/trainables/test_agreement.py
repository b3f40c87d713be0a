"""The same logits have the same scores on every processor; what older arithmetic made of them is accepted."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables import calibration
from trainables.calibration import TEMPERATURES, evaluate, scores
from trainables.calibration.agreement import FLOAT32_OFF, FLOAT64_OFF, differing, differing_elsewhere
from trainables.calibration.scores import evaluate_elsewhere
from trainables.calibrators import temperature
from trainables.calibrators.temperature import CRITERIA, best
from trainables.metrics import bins
from trainables.metrics.confident_share import confident
from trainables.metrics.mce import largest_gap

ULPS = 2


@st.composite
def drawn_logits(draw, samples, classes):
    """[N, K], few different numbers or many: confidences that are equal by definition, or saturated."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    scale = draw(st.sampled_from([0.3, 3.0, 30.0, 300.0]))
    if draw(st.booleans()):
        # Of equal numbers in another order softmax makes equal confidences, but for rounding.
        return scale * torch.randint(0, 3, (samples, classes), generator=generator).float()
    return scale * torch.randn(samples, classes, generator=generator)


@st.composite
def drawn_parts(draw):
    classes = draw(st.integers(2, 7))
    parts = []
    for _ in range(2):
        samples = draw(st.integers(1, 20) | st.sampled_from([30, 45, 75]))
        logits = draw(drawn_logits(samples, classes))
        parts += [
            logits,
            torch.randint(classes, (samples,), generator=torch.Generator().manual_seed(samples)),
        ]
    return parts


class OtherProcessor:
    """Its exponentials and sums differ in the last digits of a double."""

    def __init__(self, monkeypatch, seed):
        self.generator = torch.Generator().manual_seed(seed)
        scaled, normalisers = scores._scaled, temperature._normalisers

        def other_scaled(logits, value):
            gaps, powers, _ = scaled(logits, value)
            powers = self.rounded(powers)
            return gaps, powers, self.rounded(powers.sum(dim=1)).clamp_min(1)

        monkeypatch.setattr(scores, "_scaled", other_scaled)
        monkeypatch.setattr(
            temperature, "_normalisers", lambda *given: self.rounded(normalisers(*given)).clamp_min(1)
        )

    def rounded(self, values):
        moves = torch.randint(-ULPS, ULPS + 1, values.shape, generator=self.generator)
        return values * (1 + moves * torch.finfo(torch.float64).eps)


@pytest.mark.slow
@given(drawn_parts(), st.integers(0, 99))
@settings(max_examples=30, derandomize=True)
def test_last_digits_of_a_processor_change_no_score_and_no_temperature(parts, seed):
    here = evaluate(*parts)
    with pytest.MonkeyPatch.context() as monkeypatch:
        OtherProcessor(monkeypatch, seed)
        there = evaluate(*parts)
    assert there == pytest.approx(here, rel=1e-11, abs=1e-11, nan_ok=True)
    assert all(
        there[f"temperature_{criterion}"] == here[f"temperature_{criterion}"] for criterion in CRITERIA
    )
    assert differing(there, *parts, FLOAT64_OFF) == {}


def in_float32(logits, generator):
    """Softmax as some processor's float32 has it."""
    probabilities = logits.softmax(dim=1)
    noise = 1 + 4e-7 * (2 * torch.rand(probabilities.shape, generator=generator) - 1)
    # What is 1 has nothing beside it that could be rounded.
    return torch.where(probabilities == 1, probabilities, (probabilities * noise).clamp_max(1))


def evaluated_in_float32(val_logits, val_labels, test_logits, test_labels, seed):
    """All that was committed before scores were computed in float64, from float32 probabilities alone."""
    generator = torch.Generator().manual_seed(seed)

    def gap(logits, labels, value, criterion):
        """ECE or adaptive ECE."""
        p, predicted = in_float32(logits / value, generator), logits.argmax(dim=1)
        confidences = p.gather(1, predicted[:, None]).squeeze(1)
        even = criterion == "ece"
        edges = bins.equal_width_edges(15) if even else bins.equal_mass_edges(confidences, 15)
        nothing = not even and confidences.amax() == confidences.amin()
        found = bins.weighted_gap(confidences, predicted == labels, edges)
        return found.item(), math.inf if nothing else found.item()

    def nll(logits, labels, value):
        log_p = (logits / value).log_softmax(dim=1)
        return -log_p.gather(1, labels[:, None]).double().mean().item()

    def measured(logits, labels, value):
        p, predicted = in_float32(logits / value, generator), logits.argmax(dim=1)
        confidences = p.gather(1, predicted[:, None]).squeeze(1)
        correct = predicted == labels
        share, accuracy = (each.item() for each in confident(confidences, correct))
        exact = calibration.score(logits, labels)
        return {
            **{name: exact[name] for name in ("error", "top_1_accuracy", "top_5_accuracy")},
            **{name: getattr(calibration, name)(p, labels) for name in ("brier", "classwise_ece")},
            **{name: gap(logits, labels, value, name)[0] for name in ("ece", "adaptive_ece")},
            "mce": largest_gap(confidences, correct, 15).item(),
            "nll": nll(logits, labels, value),
            "confident_share": share,
            "confident_accuracy": accuracy,
            "mean_confidence": confidences.double().mean().item(),
        }

    committed = {}
    for criterion in CRITERIA:
        if criterion == "nll":
            curve = [nll(val_logits, val_labels, value) for value in TEMPERATURES]
        else:
            curve = [gap(val_logits, val_labels, value, criterion)[1] for value in TEMPERATURES]
        position = torch.tensor(curve, dtype=torch.float64).round(decimals=9).argmin()
        committed[f"temperature_{criterion}"] = TEMPERATURES[int(position)]
    for part, data in {"validation": (val_logits, val_labels), "test": (test_logits, test_labels)}.items():
        committed |= {f"{part}_{name}": value for name, value in measured(*data, 1.0).items()}
        for criterion in CRITERIA:
            message = measured(*data, committed[f"temperature_{criterion}"])
            committed |= {f"{part}_{name}_after_{criterion}": value for name, value in message.items()}
    return committed


@given(drawn_parts(), st.integers(0, 99))
@settings(max_examples=15, derandomize=True)
def test_float32_results_of_any_processor_are_accepted(parts, seed):
    committed = evaluated_in_float32(*parts, seed)
    assert committed.keys() == evaluate(*parts).keys()
    assert differing(committed, *parts, FLOAT32_OFF) == {}


def test_a_score_that_was_altered_is_found():
    generator = torch.Generator().manual_seed(5)
    logits = [3 * torch.randn(samples, 11, generator=generator) for samples in (301, 200)]
    labels = [
        torch.multinomial((0.6 * each).softmax(1), 1, generator=generator).squeeze(1) for each in logits
    ]
    parts = [logits[0], labels[0], logits[1], labels[1]]
    right = evaluate(*parts)
    assert differing(right, *parts, FLOAT64_OFF) == differing(right, *parts, FLOAT32_OFF) == {}
    values = {name: v for name, v in right.items() if not name.startswith("temperature_") and v == v}
    for off, move in ((FLOAT64_OFF, 1e-9), (FLOAT32_OFF, 2e-3)):
        altered = {name: value + move for name, value in values.items()}
        found = differing({**right, **altered}, *parts, off)
        assert found == {name: (altered[name], value) for name, value in values.items()}
        for criterion in CRITERIA:
            name = f"temperature_{criterion}"
            # The scores after scaling by the temperature that is committed are others, too.
            found = differing({**right, name: round(right[name] + 1, 1)}, *parts, off)
            assert name in found and all(each.endswith((name, f"_after_{criterion}")) for each in found)
            assert [*differing({**right, name: 0.05}, *parts, off)] == [name]
    # A row of an earlier version need not have all scores of today.
    some = dict(list(altered.items())[::3])
    assert differing(some, *parts, FLOAT32_OFF).keys() == some.keys()


def test_scores_of_other_data_are_held_against_the_logits_too():
    generator = torch.Generator().manual_seed(2)
    test, other = 9 * torch.randn(90, 4, generator=generator), 7 * torch.randn(70, 4, generator=generator)
    temperatures = {"ece": 1.3, "adaptive_ece": 1.0, "nll": 0.1}
    for labels in (torch.arange(70) % 4, torch.full((70,), -1)):
        right = evaluate_elsewhere(test, other, labels, temperatures)
        message = (test, other, labels, temperatures, FLOAT32_OFF)
        assert differing_elsewhere(right, *message) == {}
        for name in ("test_auroc_entropy_after_ece", "test_auroc_max_probability"):
            assert list(differing_elsewhere({**right, name: right[name] + 1e-4}, *message)) == [name]
    swapped = {**temperatures, "ece": 1.4}
    assert "test_auroc_entropy_after_ece" in differing_elsewhere(
        right, test, other, labels, swapped, FLOAT32_OFF
    )


def test_temperatures_that_are_as_good_but_for_rounding_are_a_tie():
    curve = torch.full((100,), 0.25, dtype=torch.float64)
    # On either side of where a ninth decimal is rounded.
    curve[[40, 70]] = torch.tensor([0.1 + 0.5e-9 + 1e-17, 0.1 + 0.5e-9 - 1e-16], dtype=torch.float64)
    assert best(curve) == 40
    curve[70] -= 2e-9
    assert best(curve) == 70


def test_many_samples_are_scored_some_at_a_time(monkeypatch):
    generator = torch.Generator().manual_seed(3)
    logits = 4 * torch.randn(203, 7, generator=generator)
    labels = torch.randint(7, (203,), generator=generator)
    whole = calibration.score(logits, labels, 1.7)
    monkeypatch.setattr(scores, "ELEMENTS_AT_ONCE", 40)
    assert calibration.score(logits, labels, 1.7) == pytest.approx(whole, abs=1e-14)
