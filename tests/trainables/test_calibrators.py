"""Calibrators: what each promises, and several against other libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable

import netcal.binning
import numpy as np
import pytest
import torch
from scipy.special import logit
from scipy.stats import dirichlet
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from trainables import calibration, calibrators
from trainables.catalogue import CALIBRATORS
from trainables.errors import ConfigurationError, InputError
from trainables.metrics import compute

from .record_metrics import drawn

NAMES = [
    pytest.param(name, marks=pytest.mark.filterwarnings("ignore::DeprecationWarning"))
    for name in CALIBRATORS.names()
]


PACKAGES = {"beta": "betacal", "boosted_trees": "lightgbm", "venn_abers": "venn_abers"}
"""Those that probmetrics takes from another package of the extra."""


UNFITTED = ("none", "prior_correction")


def needs(name: str) -> None:
    if CALIBRATORS[name].spec.requires:
        pytest.importorskip(PACKAGES.get(name, "probmetrics"))


def draw(samples: int, classes: int, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    logits, labels = map(torch.from_numpy, drawn(samples, classes, scale))
    return logits.float(), labels


@pytest.mark.parametrize(("samples", "classes"), [(611, 5), (230, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_a_calibrator_gives_probabilities_and_keeps_its_promise(
    name: str, samples: int, classes: int
) -> None:
    needs(name)
    logits, labels = draw(samples, classes)
    others, _ = draw(samples + 6, classes, 8.0)
    before = logits.clone()
    counts = [5] * classes
    fitted = calibrators.fit(name, logits, labels, class_counts=counts)
    found = fitted.log_probabilities(others)
    assert found.dtype == torch.float64 and found.shape == others.shape
    assert found.exp().sum(dim=1).numpy() == pytest.approx(1, abs=1e-6)
    if CALIBRATORS[name].spec.keeps_order:
        # Some probabilities have become equal, but none has passed another.
        ordered = found.gather(1, others.argsort(dim=1))
        assert (ordered.diff(dim=1) >= -1e-12).all()
    own = fitted.log_probabilities(logits)
    score = compute("brier", own.exp(), labels)
    assert score <= compute("brier", logits.softmax(1), labels) + (1e-9 if name in UNFITTED else -1e-3)
    assert torch.equal(logits, before)
    again = calibrators.fit(name, logits, labels, class_counts=counts)
    assert torch.equal(again.log_probabilities(others), found)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_validation_samples_does_no_harm(name: str) -> None:
    needs(name)
    logits, labels = draw(400, 6)
    there = labels != 2
    fitted = calibrators.fit(name, logits[there], labels[there], class_counts=[3, 1, 0, 9, 200, 5])
    found = fitted.log_probabilities(logits).exp()
    assert not found.isnan().any() and found.sum(dim=1).numpy() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("criterion", ["ece", "adaptive_ece", "nll"])
def test_the_temperatures_of_the_grid_are_those_that_trials_are_scored_with(criterion: str) -> None:
    logits, labels = draw(700, 9)
    fitted = calibrators.fit(f"temperature_{criterion}", logits, labels)
    temperature = calibration.fit_temperature(logits, labels, criterion)
    expected = calibration.score(logits, labels, temperature)
    probabilities = fitted.log_probabilities(logits).exp()
    for name in ("nll", "ece", "brier", "top_5_accuracy"):
        assert compute(name, probabilities, labels) == pytest.approx(expected[name], abs=1e-9)


def test_no_temperature_is_better_than_the_continuous_one() -> None:
    logits, labels = draw(700, 9)
    best = calibrators.fit("temperature_nll_continuous", logits, labels).temperature
    around = [calibration.score(logits, labels, best * factor)["nll"] for factor in (0.999, 1, 1.001)]
    assert around[1] < min(around[0], around[2])


@pytest.mark.parametrize(("label", "greatest"), [(0, False), (1, True)])
def test_a_temperature_stays_finite(label: int, greatest: bool) -> None:
    """Where all predictions are right, or wrong, no temperature is the best."""
    logits = torch.tensor([[3.0, 1.0, 0.0]] * 4)
    fitted = calibrators.fit("temperature_nll_continuous", logits, torch.full((4,), label))
    assert fitted.temperature > 1e6 if greatest else fitted.temperature < 1e-6
    assert fitted.log_probabilities(logits).exp().isfinite().all()


def test_matrix_scaling_is_logistic_regression_on_logits() -> None:
    needs("matrix_scaling")
    logits, labels = draw(611, 5)
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=5000).fit(logits.double().numpy(), labels.numpy())
    expected = -model.predict_log_proba(logits.double().numpy())[np.arange(len(labels)), labels].mean()
    found = calibrators.fit("matrix_scaling", logits, labels).log_probabilities(logits)
    assert float(-found.gather(1, labels[:, None]).mean()) == pytest.approx(expected, abs=1e-5)


def test_dirichlet_calibration_minimises_its_own_objective() -> None:
    logits, labels = draw(611, 5)
    fitted = calibrators.fit("dirichlet", logits, labels, penalty=0.01)
    weights = torch.tensor(fitted.model.coef_, requires_grad=True)
    offsets = torch.tensor(fitted.model.intercept_, requires_grad=True)
    scores = logits.double().log_softmax(1) @ weights.T + offsets
    loss = torch.nn.functional.cross_entropy(scores, labels) + 0.01 * weights.square().sum()
    loss.backward()
    assert weights.grad.abs().max() < 1e-4 and offsets.grad.abs().max() < 1e-4
    assert torch.allclose(scores.log_softmax(1), fitted.log_probabilities(logits))


def test_isotonic_regression_is_that_of_scikit_learn() -> None:
    logits, labels = draw(611, 5)

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(5)

        def __sklearn_is_fitted__(self):
            return True

        def fit(self, x, y):
            return self

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return x.argmax(axis=1)

    probabilities = logits.double().softmax(1).numpy()
    model = CalibratedClassifierCV(FrozenEstimator(Given()), method="isotonic")
    expected = model.fit(probabilities, labels.numpy()).predict_proba(probabilities)
    found = calibrators.fit("isotonic", logits, labels).log_probabilities(logits).exp()
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_histogram_binning_is_that_of_netcal() -> None:
    needs("histogram_binning")
    logits, labels = draw(2000, 4, 1.5)
    probabilities = logits.double().softmax(1).numpy()
    expected = netcal.binning.HistogramBinning(10).fit_transform(probabilities, labels.numpy())
    found = calibrators.fit("histogram_binning", logits, labels, bins=10).log_probabilities(logits).exp()
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def one_against_rest(
    logits: torch.Tensor, labels: torch.Tensor, fitted: Callable[..., np.ndarray]
) -> np.ndarray:
    """Probabilities [N, K] from a map that is fitted to each class's probabilities [N] and labels [N]."""
    probabilities = logits.double().softmax(1).numpy()
    columns = [fitted(column, labels.numpy() == k) for k, column in enumerate(probabilities.T)]
    found = np.stack(columns, axis=1)
    return found / found.sum(axis=1, keepdims=True)


def logistic(*features: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    def fitted(column: np.ndarray, true: np.ndarray) -> np.ndarray:
        columns = np.stack([feature(column) for feature in features], axis=1)
        return LogisticRegression(C=np.inf, tol=1e-8).fit(columns, true).predict_proba(columns)[:, 1]

    return fitted


def venn_abers(column: np.ndarray, true: np.ndarray) -> np.ndarray:
    """By its definition: two isotonic regressions for each sample, which add it with either label."""
    found = []
    for value in column:
        both = [
            IsotonicRegression().fit(np.append(column, value), np.append(true, label)).predict([value])[0]
            for label in (0, 1)
        ]
        found.append(both[1] / (1 - both[0] + both[1]))
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "samples", "against"),
    [
        ("platt", 611, logistic(logit)),
        ("beta", 611, logistic(np.log, lambda p: -np.log1p(-p))),
        ("venn_abers", 45, venn_abers),
    ],
)
def test_each_class_is_calibrated_against_the_rest(
    name: str, samples: int, against: Callable[..., np.ndarray]
) -> None:
    needs(name)
    logits, labels = draw(samples, 4, 1.5)
    found = calibrators.fit(name, logits, labels).log_probabilities(logits).exp()
    assert found.numpy() == pytest.approx(one_against_rest(logits, labels, against), abs=5e-4)


def test_kernel_calibration_weighs_labels_by_the_density_of_dirichlet() -> None:
    needs("kernel")
    logits, labels = draw(53, 3, 1.5)
    others, _ = draw(17, 3, 2.0)
    fitted, applied = (each.double().softmax(1).numpy() for each in (logits, others))
    bandwidth = 53 ** (-2 / 6)
    weights = np.array([[dirichlet.pdf(p, q / bandwidth + 1) for q in fitted] for p in applied])
    expected = weights @ np.eye(3)[labels] / weights.sum(axis=1, keepdims=True)
    found = calibrators.fit("kernel", logits, labels).log_probabilities(others).exp()
    assert found.numpy() == pytest.approx(expected, abs=1e-6)


def test_the_kernels_of_many_samples_are_drawn_the_same_each_time() -> None:
    needs("kernel")
    logits, labels = draw(10_400, 2, 1.5)
    before = torch.get_rng_state()
    one, other = (calibrators.fit("kernel", logits, labels).log_probabilities(logits[:9]) for _ in range(2))
    assert torch.equal(one, other) and torch.equal(torch.get_rng_state(), before)


def test_a_temperature_mixed_with_the_uniform_distribution() -> None:
    needs("temperature_with_uniform")
    logits, labels = draw(211, 4)
    scaled = calibrators.fit("temperature_nll_continuous", logits, labels).log_probabilities(logits).exp()
    found = calibrators.fit("temperature_with_uniform", logits, labels).log_probabilities(logits).exp()
    assert found.numpy() == pytest.approx((scaled * 211 / 212 + 0.25 / 212).numpy(), abs=1e-4)


def test_a_calibrator_whose_package_is_not_there_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "probmetrics"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "probmetrics", None)
    with pytest.raises(ConfigurationError, match=r"calibsweep\[calibrators\]"):
        calibrators.fit("vector_scaling", *draw(50, 3))


def test_one_that_probmetrics_takes_from_another_package_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("beta")
    monkeypatch.setitem(sys.modules, "betacal", None)
    with pytest.raises(ConfigurationError, match=r"betacal.*calibsweep\[calibrators\]"):
        calibrators.fit("beta", *draw(50, 3))


def test_what_cannot_be_fitted_to_is_refused() -> None:
    logits, labels = draw(50, 3)
    with pytest.raises(InputError, match="finite"):
        calibrators.fit("none", logits / 0, labels)
    with pytest.raises(InputError, match="two classes"):
        calibrators.fit("dirichlet", logits, torch.zeros_like(labels))
    with pytest.raises(InputError, match="two classes"):
        calibrators.fit("platt", logits, torch.zeros_like(labels))
    with pytest.raises(ConfigurationError, match="'vector_scaling'"):
        calibrators.build("vector_scalin")
