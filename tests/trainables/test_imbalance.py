"""Losses against imbalance: empty classes, the layers that they change, and the logits that they store."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch import nn

from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError
from trainables.losses import build
from trainables.losses.focal import focal_loss
from trainables.resolve import resolve
from trainables.training.run import TrialRun, load_dataset

CPU = torch.device("cpu")
DIGITS = ("digits", {"training_samples": 75, "validation_samples": 60})
TRAINING = {"epochs": 1, "milestones": [], "batch_size": 32}


def test_the_slope_of_focal_loss_by_the_true_logit() -> None:
    logit = torch.tensor(math.log(0.7 / 0.3), dtype=torch.float64, requires_grad=True)
    focal_loss(torch.nn.functional.logsigmoid(logit), 2.0).backward()
    assert logit.grad is not None and logit.grad.item() == pytest.approx(-0.0719, abs=5e-5)


def test_an_empty_class_leaves_values_and_gradients_finite() -> None:
    counts = torch.tensor([9, 0, 300, 1, 0, 40])
    for name in LOSSES.names():
        example = {} if LOSSES[name].preset else LOSSES[name].spec.example
        loss = build(name, **example, reduction="mean", class_counts=counts)
        loss.on_epoch_start(9, 10)
        logits = torch.linspace(-40, 40, 24).reshape(4, 6).requires_grad_()
        value = loss(logits, torch.tensor([0, 2, 3, 5]))
        (gradient,) = torch.autograd.grad(value, logits)
        assert value.isfinite() and gradient.isfinite().all(), name
        assert all(buffer.isfinite().all() for buffer in loss.buffers() if name != "cals_alm"), name


def run_of(loss: str) -> TrialRun:
    trial = resolve(DIGITS, "mlp", loss, 1, training=TRAINING)
    return TrialRun(trial, load_dataset(trial, None, CPU), CPU)


def test_sigmoids_are_stored_as_logits_whose_softmax_normalises_them() -> None:
    run = run_of("sigmoid_focal")
    assert torch.equal(run.model.classifier.bias, torch.full((10,), math.log(0.01 / 0.99)))
    run.advance()
    result = run.result()
    with torch.no_grad():
        sigmoids = run.model(run.dataset.test.batch(torch.arange(5))[0]).sigmoid()
    expected = sigmoids / sigmoids.sum(dim=1, keepdim=True)
    assert torch.allclose(result.test.logits[:5].softmax(dim=1), expected, rtol=1e-4)


def test_the_first_sigmoids_of_the_class_balanced_loss_share_one_sample_among_the_classes() -> None:
    bias = run_of("class_balanced_sigmoid_focal").model.classifier.bias
    assert torch.allclose(bias.sigmoid(), torch.tensor(0.1))


def test_ldam_stores_scaled_cosines_and_starts_from_the_matched_weights() -> None:
    run, plain = run_of("ldam_drw"), run_of("cross_entropy")
    assert torch.equal(run.model.classifier.weight, plain.model.classifier.weight)
    run.advance()
    logits = run.result().test.logits
    with torch.no_grad():
        features = run.model.features(run.dataset.test.batch(torch.arange(5))[0])
        cosines = nn.functional.cosine_similarity(features[:, None], run.model.classifier.weight, dim=2)
    assert torch.allclose(logits[:5], 30 * cosines, atol=1e-4)


def test_a_network_without_the_layer_is_refused() -> None:
    for name, network in (
        ("ldam_drw", nn.Conv2d(1, 2, 3)),
        ("sigmoid_focal", nn.Linear(3, 2, bias=False)),
    ):
        with pytest.raises(ConfigurationError, match=name):
            build(name, class_counts=torch.tensor([4, 2])).on_network(network)


def test_the_sigmoid_focal_loss_is_that_of_torchvision(torchvision: ModuleType) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = 4 * torch.randn(11, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (11,), generator=generator)
    targets = nn.functional.one_hot(labels, 5).double()
    expected = torchvision.ops.sigmoid_focal_loss(logits, targets, reduction="sum")
    assert torch.allclose(build("sigmoid_focal")(logits, labels), expected)
