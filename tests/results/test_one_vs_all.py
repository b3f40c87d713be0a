"""Scores of each class against all others follow from a store, by the sigmoids of a network that has them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from torch import Tensor
from torch.nn import functional

from orchestrator.use_cases.rescore import rescore
from results.scoring import layer, rescoring
from results.scoring.commit import commit_result
from results.scoring.layer import Scorer
from results.store.store import Store
from trainables.errors import ConfigurationError
from trainables.metrics import compute

from .conftest import result_of, trial_of

METRICS = ("one_vs_all_ece", "one_vs_all_nll", "one_vs_all_brier")
LOSSES = ("brier", "sigmoid_focal", "class_balanced_sigmoid_focal")


@pytest.fixture
def outputs(store: Store) -> dict[str, tuple[Tensor, Tensor]]:
    """Outputs of networks and labels on the test set, by the keys of their trials, one for each loss."""
    found = {}
    for loss in LOSSES:
        result = result_of(trial_of(loss=loss))
        found[result.trial.key] = 3 * result.test.logits, result.test.labels
        logits = functional.logsigmoid if "sigmoid" in loss else Tensor.clone
        parts = {
            part: dataclasses.replace(kept, logits=logits(3 * kept.logits))
            for part, kept in (("validation", result.validation), ("test", result.test))
        }
        assert commit_result(store, dataclasses.replace(result, **parts), {"host": "here"})
    return found


def stored(store: Store, metric: str, calibrator: str) -> dict[str, float]:
    kept = layer.read(store.folder, Scorer(metric, calibrator))
    return {key: value for (key, _, evaluation), value in kept.items() if evaluation == "test"}


def test_a_network_with_sigmoids_is_scored_by_them(
    store: Store, outputs: dict[str, tuple[Tensor, Tensor]]
) -> None:
    rescore(store.uri, METRICS, ["none", "temperature_nll"])
    softmax, *_ = outputs
    for metric in METRICS:
        found = stored(store, metric, "none")
        for key, (values, labels) in outputs.items():
            double = values.double()
            expected = double.softmax(dim=1) if key == softmax else double.sigmoid()
            assert found[key] == pytest.approx(compute(metric, expected, labels), rel=1e-5)
            other = double.sigmoid() if key == softmax else double.softmax(dim=1)
            assert found[key] != pytest.approx(compute(metric, other, labels), rel=1e-3)
        # Calibrated probabilities sum to 1, whatever the loss.
        after = stored(store, metric, "temperature_nll")
        assert all(map(math.isfinite, after.values())) and all(after[key] != found[key] for key in found)


def test_of_an_unknown_loss_it_cannot_be_told_whether_it_has_sigmoids(
    store: Store, outputs: dict[str, tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLosses:
        def __getitem__(self, name: str) -> None:
            raise ConfigurationError(name)

    monkeypatch.setattr(rescoring, "LOSSES", NoLosses())
    found = rescore(store.uri, ["one_vs_all_brier", "brier_resolution", "balanced_error"])
    assert all(map(math.isnan, stored(store, "one_vs_all_brier", "none").values()))
    assert all(map(math.isfinite, stored(store, "balanced_error", "none").values()))
    # On both parts: those against all others, and those for two classes.
    assert found.undefined == 2 * 2 * len(outputs)
