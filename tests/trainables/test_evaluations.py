"""AUROC against an independent library, and the evaluations that a trial may have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from trainables.calibration import score
from trainables.calibration.scores import all_probabilities, evaluate_elsewhere
from trainables.errors import ConfigurationError, InputError
from trainables.metrics import compute
from trainables.resolve import resolve


def separation(test: torch.Tensor, other: torch.Tensor, temperature: float = 1.0) -> dict[str, float]:
    """Both areas, from logits."""
    names = ("auroc_max_probability", "auroc_entropy")
    test, other = (all_probabilities(logits, temperature) for logits in (test, other))
    labels = torch.full((len(other),), -1)
    return {name: compute(name, other, labels, test_probabilities=test) for name in names}


@given(st.integers(1, 40), st.integers(1, 30), st.integers(2, 5), st.integers(0, 99), st.floats(0.2, 5))
def test_agrees_with_scikit_learn_and_is_turned_round_by_swapping(
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
        expected = roc_auc_score([1] * tests + [0] * others, values)
        assert found[f"auroc_{name}"] == pytest.approx(expected)
    swapped = separation(other, test, temperature)
    assert all(swapped[name] == pytest.approx(1 - value) for name, value in found.items())


def test_saturated_confidences_stay_distinct() -> None:
    # In float32 both confidences are 1.
    test, other = torch.tensor([[30.0, 0.0]]), torch.tensor([[25.0, 0.0]])
    assert separation(test, other) == {"auroc_max_probability": 1.0, "auroc_entropy": 1.0}
    assert separation(test, test) == {"auroc_max_probability": 0.5, "auroc_entropy": 0.5}
    with pytest.raises(InputError, match="2 classes against 3"):
        separation(test, torch.zeros(4, 3))
    with pytest.raises(InputError, match="test_probabilities"):
        compute("auroc_entropy", test.softmax(dim=1), torch.zeros(1))


def test_a_set_without_labels_has_no_calibration() -> None:
    generator = torch.Generator().manual_seed(0)
    test, other = torch.randn(31, 4, generator=generator), torch.randn(17, 4, generator=generator)
    labels = torch.randint(0, 4, (17,), generator=generator)
    temperatures = {"ece": 0.7, "adaptive_ece": 1.0, "nll": 2.5}
    found = evaluate_elsewhere(test, other, labels, temperatures)
    assert found["test_ece_after_nll"] == score(other, labels, 2.5)["ece"]
    assert found["test_error"] == found["test_error_after_ece"] == score(other, labels)["error"]
    assert found["test_auroc_entropy_after_ece"] == separation(test, other, 0.7)["auroc_entropy"]
    unknown = evaluate_elsewhere(test, other, torch.full((17,), -1), temperatures)
    assert unknown == {name: value for name, value in found.items() if "auroc" in name} and len(unknown) == 8


def test_evaluations_are_no_part_of_the_identity_of_a_trial() -> None:
    fog = ("cifar10_c", {"corruption": "fog", "severity": 2})
    trial = resolve("cifar10", "resnet50", "brier", 0, evaluations=["svhn", fog, "svhn"])
    plain = resolve("cifar10", "resnet50", "brier", 0)
    assert (trial.key, trial.variant, trial) == (plain.key, plain.variant, plain)
    assert [each.label for each in trial.evaluations] == ["cifar10_c(corruption=fog,severity=2)", "svhn"]
    assert (
        trial.evaluations == resolve("cifar10", "resnet50", "brier", 0, evaluations=[fog, "svhn"]).evaluations
    )


@pytest.mark.parametrize(
    ("dataset", "asked", "message"),
    [
        ("cifar10", "cifar100", "'cifar100' .* cifar10_c, svhn"),
        ("digits", "svhn", "'svhn' has image_size 32, but a network trained on 'digits' takes 8"),
        ("cifar10", "svnh", "Did you mean 'svhn'"),
        ("cifar10", ("cifar10_c", {"corruption": "fog"}), "needs a value for 'severity'"),
    ],
)
def test_an_impossible_evaluation_is_refused(dataset: str, asked: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        resolve(dataset, "small_cnn", "brier", 0, evaluations=[asked])
