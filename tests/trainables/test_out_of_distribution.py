"""AUROC against an independent library, and what a trial may be scored on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy, mannwhitneyu

from trainables.calibration import score
from trainables.calibration.out_of_distribution import evaluate_on, separation
from trainables.errors import ConfigurationError, InputError
from trainables.resolve import resolve


@given(st.integers(1, 40), st.integers(1, 30), st.integers(2, 5), st.integers(0, 99), st.floats(0.2, 5))
def test_agrees_with_the_rank_statistic_and_is_turned_round_by_swapping(
    tests: int, others: int, classes: int, seed: int, temperature: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few different ones, so that there are ties, within each set and between them.
    different = torch.randn(9, classes, generator=generator)
    logits = different[torch.randint(0, 9, (tests + others,), generator=generator)]
    test, other = logits[:tests], logits[tests:]
    found = separation(test, other, temperature)
    probabilities = softmax(logits.numpy().astype(float) / temperature, axis=1)
    for name, values in (
        ("max_probability", probabilities.max(axis=1)),
        ("entropy", -entropy(probabilities, axis=1)),
    ):
        statistic = mannwhitneyu(values[:tests], values[tests:]).statistic
        assert found[f"auroc_{name}"] == pytest.approx(statistic / (tests * others))
    swapped = separation(other, test, temperature)
    assert all(swapped[name] == pytest.approx(1 - value) for name, value in found.items())


def test_saturated_confidences_are_still_told_apart() -> None:
    # In float32 both confidences are 1.
    test, other = torch.tensor([[30.0, 0.0]]), torch.tensor([[25.0, 0.0]])
    assert separation(test, other) == {"auroc_max_probability": 1.0, "auroc_entropy": 1.0}
    assert separation(test, test) == {"auroc_max_probability": 0.5, "auroc_entropy": 0.5}
    with pytest.raises(InputError, match="2 classes against 3"):
        separation(test, torch.zeros(4, 3))


def test_a_set_without_labels_has_no_calibration() -> None:
    generator = torch.Generator().manual_seed(0)
    test, other = torch.randn(31, 4, generator=generator), torch.randn(17, 4, generator=generator)
    labels = torch.randint(0, 4, (17,), generator=generator)
    temperatures = {"ece": 0.7, "adaptive_ece": 1.0, "nll": 2.5}
    found = evaluate_on(test, other, labels, temperatures)
    assert found["test_ece_after_nll"] == score(other, labels, 2.5)["ece"]
    assert found["test_error"] == found["test_error_after_ece"] == score(other, labels)["error"]
    assert found["test_auroc_entropy_after_ece"] == separation(test, other, 0.7)["auroc_entropy"]
    unknown = evaluate_on(test, other, torch.full((17,), -1), temperatures)
    assert unknown == {name: value for name, value in found.items() if "auroc" in name} and len(unknown) == 8


def test_sets_to_score_are_no_part_of_what_a_trial_is() -> None:
    fog = ("cifar10_c", {"corruption": "fog", "severity": 2})
    trial = resolve("cifar10", "resnet50", "brier", 0, score_on=["svhn", fog, "svhn"])
    plain = resolve("cifar10", "resnet50", "brier", 0)
    assert (trial.key, trial.variant, trial) == (plain.key, plain.variant, plain)
    assert [each.label for each in trial.score_on] == ["cifar10_c(corruption=fog,severity=2)", "svhn"]
    assert trial.score_on == resolve("cifar10", "resnet50", "brier", 0, score_on=[fog, "svhn"]).score_on


@pytest.mark.parametrize(
    ("dataset", "asked", "told"),
    [
        ("cifar10", "cifar100", "'cifar100' is one to train on; there to be scored are cifar10_c, svhn"),
        ("digits", "svhn", "'svhn' has image_size 32, but a network trained on 'digits' takes 8"),
        ("cifar10", "svnh", "Did you mean 'svhn'"),
        ("cifar10", ("cifar10_c", {"corruption": "fog"}), "needs a value for 'severity'"),
    ],
)
def test_what_cannot_be_scored_is_refused(dataset: str, asked: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        resolve(dataset, "small_cnn", "brier", 0, score_on=[asked])
