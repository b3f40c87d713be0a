"""The public conformance kits pass for what calibsweep brings, and fail for what breaks a promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.calibrators.testing import CalibratorConformance
from trainables.catalogue import CALIBRATORS, METRICS, SAMPLERS
from trainables.datasets.testing import DatasetConformance
from trainables.metrics.testing import MetricConformance
from trainables.models.testing import ModelConformance
from trainables.registry.plugins import PLUGINS
from trainables.samplers.testing import SamplerConformance
from trainables.testing import Conformance

from .test_calibrators import needs

BROKEN = '''
import torch
from torch import nn

from trainables.calibrators.base import Calibrator
from trainables.registry import register
from trainables.samplers.base import Sampler


@register("first_counts_twice", spec={"title": "F", "meaning": "F"})
def first_counts_twice(probabilities, labels) -> float:
    """Depends on the order of the samples."""
    return float(probabilities[0, labels[0]] + probabilities.mean())


@register("reversing", spec={"title": "reversed", "keeps_order": True})
class Reversing(Calibrator):
    """Reverses the order of the classes."""

    def fit(self, logits, labels): ...

    def log_probabilities(self, logits):
        return (-logits.double()).log_softmax(dim=1)


@register("global_order")
class GlobalOrder(Sampler):
    """Draws from the global generator."""

    def __init__(self, samples: int): ...

    def epoch(self, generator):
        return torch.randperm(101)


@register("half_trained", spec={"input": "image"})
def half_trained(num_classes: int, input_shape) -> nn.Module:
    """Has a layer that nothing reaches."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))
    network.unused = nn.Linear(2, 2)
    network.forward = lambda inputs: network[1](network[0](inputs))
    return network
'''


class TestMlp(ModelConformance):
    name = "mlp"
    shape = (1, 8, 8)


class TestDigits(DatasetConformance):
    name = "digits"


def ran(kit: type[Conformance], name: str, plugins: tuple[Path, ...] = ()) -> set[str]:
    """The tests of a kit that a component fails."""
    case = type("Case", (kit,), {"name": name, "plugins": plugins})()
    failed = set()
    for test in (test for test in dir(kit) if test.startswith("test_")):
        try:
            getattr(case, test)()
        except AssertionError:
            failed.add(test)
    return failed


@pytest.mark.parametrize("name", [n for n in METRICS.names() if METRICS[n].spec.at_commit])
def test_metrics_conform(name: str) -> None:
    assert ran(MetricConformance, name) == set()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [
        # Its trees take seconds.
        pytest.param(name, marks=[pytest.mark.slow] if name == "boosted_trees" else [])
        for name in CALIBRATORS.names()
    ],
)
def test_calibrators_conform(name: str) -> None:
    needs(name)
    assert ran(CalibratorConformance, name) == set()


@pytest.mark.parametrize("name", [n for n in SAMPLERS.names() if n != "resampled"])
def test_samplers_conform(name: str) -> None:
    assert ran(SamplerConformance, name) == set()


@pytest.mark.parametrize(
    ("kit", "name", "failed"),
    [
        (MetricConformance, "first_counts_twice", "test_order"),
        (CalibratorConformance, "reversing", "test_order_of_classes"),
        (SamplerConformance, "global_order", "test_generator"),
        (ModelConformance, "half_trained", "test_gradient"),
    ],
)
def test_a_broken_promise_is_found(
    kit: type[Conformance], name: str, failed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PLUGINS, "_files", ())
    (tmp_path / "broken.py").write_text(BROKEN, encoding="utf-8")
    assert failed in ran(kit, name, (tmp_path / "broken.py",))
