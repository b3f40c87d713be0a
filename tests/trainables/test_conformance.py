"""Every registered loss conforms, and each check of the kit catches a loss that breaks its promise."""

from __future__ import annotations

import threading
from types import MappingProxyType

import pytest
import torch
from torch.nn import functional

from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError
from trainables.losses import testing as conformance
from trainables.losses.base import Loss
from trainables.losses.cross_entropy import CrossEntropy
from trainables.registry.specs import LossSpec


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_registered_loss_conforms(name):
    assert conformance.check(name) == []


def test_parameters_are_passed_on_and_checked():
    assert conformance.check("focal", gamma=0.3) == []
    assert conformance.check("flsc_531", steps=[2, 4, 6]) == []
    with pytest.raises(ConfigurationError, match="Did you mean 'gamma'"):
        conformance.check("focal", gama=2.0)
    with pytest.raises(ConfigurationError, match="Did you mean 'cross_entropy'"):
        conformance.check("cros_entropy")


class PerSample(CrossEntropy):
    def forward(self, logits, labels):
        return self.per_sample(logits, labels)


class Widened(CrossEntropy):
    def forward(self, logits, labels):
        return super().forward(logits, labels).double()


class AlwaysMean(CrossEntropy):
    def forward(self, logits, labels):
        return self.per_sample(logits, labels).mean()


class Detached(Loss):
    def per_sample(self, logits, labels):
        true = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
        return -((1 - true.exp().detach()) ** 2) * true


class NoGradient(CrossEntropy):
    def forward(self, logits, labels):
        return super().forward(logits.detach(), labels)


class FirstCountsTwice(CrossEntropy):
    def per_sample(self, logits, labels):
        losses = super().per_sample(logits, labels)
        return losses + functional.one_hot(torch.zeros_like(labels[0]), len(labels)) * losses


class LogitNorm(CrossEntropy):
    def per_sample(self, logits, labels):
        return super().per_sample(logits, labels) + logits.square().mean(dim=1)


class LogOfSoftmax(Loss):
    def per_sample(self, logits, labels):
        return -logits.softmax(1).gather(1, labels[:, None]).squeeze(1).log()


class UnsafePower(Loss):
    def per_sample(self, logits, labels):
        true = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
        return -((1 - true.exp()) ** 0.5) * true


class StoresProbabilities(CrossEntropy):
    def logits(self, outputs):
        return outputs.sigmoid().log()


class HookOfOneArgument(CrossEntropy):
    def on_epoch_start(self, epoch):
        pass


class DivergingHook(CrossEntropy):
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.register_buffer("factor", torch.tensor(1.0))

    def on_validation(self, logits, labels):
        self.factor *= 1e30

    def per_sample(self, logits, labels):
        return self.factor * super().per_sample(logits, labels)


class PlainAttribute(CrossEntropy):
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.factor = 1.0

    def on_epoch_start(self, epoch, epochs):
        self.factor = 1.0 + epoch / epochs

    def per_sample(self, logits, labels):
        return self.factor * super().per_sample(logits, labels)


class HalfTheState(PlainAttribute):
    """Its value is restored, but what its next update depends on is not."""

    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.register_buffer("scale", torch.tensor(1.0, dtype=torch.float64))

    def on_validation(self, logits, labels):
        self.factor += 1
        self.scale.fill_(1 / self.factor)

    def on_epoch_start(self, epoch, epochs):
        pass

    def per_sample(self, logits, labels):
        return self.scale * CrossEntropy.per_sample(self, logits, labels)


class ReadsInForward(CrossEntropy):
    def per_sample(self, logits, labels):
        losses = super().per_sample(logits, labels)
        return losses * 2 if losses.max() > 1e9 else losses


class ReadsInHook(CrossEntropy):
    def on_validation(self, logits, labels):
        self.last = logits.max().item()


class SelectsByMask(CrossEntropy):
    def forward(self, logits, labels):
        right = logits.argmax(1) == labels
        return super().forward(logits[right], labels[right]) + super().forward(logits[~right], labels[~right])


class GoesToNumpy(CrossEntropy):
    def per_sample(self, logits, labels):
        logits.detach().cpu().numpy()
        return super().per_sample(logits, labels)


class TensorOutsideBuffers(CrossEntropy):
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.factor = torch.ones(1)

    def per_sample(self, logits, labels):
        return self.factor.to(logits.dtype) * super().per_sample(logits, labels)


class CoarseInFloat32(CrossEntropy):
    def per_sample(self, logits, labels):
        losses = super().per_sample(logits, labels)
        return losses * 1.01 if logits.dtype == torch.float32 else losses


class HoldsALock(CrossEntropy):
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.lock = threading.Lock()


class SharedState(PlainAttribute):
    def __init__(self, reduction="sum"):
        super().__init__(reduction)
        self.register_buffer("updates", torch.zeros((), dtype=torch.float64))

    def __deepcopy__(self, memo):
        return self

    def on_validation(self, logits, labels):
        self.updates += 1

    def per_sample(self, logits, labels):
        return CrossEntropy.per_sample(self, logits, labels) * (1 + self.updates)


@pytest.mark.parametrize(
    ("bad", "check"),
    [
        (PerSample, "scalar"),
        (Widened, "scalar"),
        (AlwaysMean, "reduction"),
        (Detached, "gradient"),
        (NoGradient, "gradient"),
        (FirstCountsTwice, "order"),
        (LogitNorm, "shift"),
        (LogOfSoftmax, "saturated"),
        (UnsafePower, "saturated"),
        (StoresProbabilities, "logits"),
        (HookOfOneArgument, "hooks"),
        (DivergingHook, "hooks"),
        (PlainAttribute, "state"),
        (HalfTheState, "state"),
        (ReadsInForward, "device"),
        (ReadsInHook, "device"),
        (SelectsByMask, "device"),
        (GoesToNumpy, "device"),
        (TensorOutsideBuffers, "device"),
        (CoarseInFloat32, "precision"),
        (HoldsALock, "copy"),
        (SharedState, "copy"),
    ],
)
def test_a_bad_loss_is_found_by_the_check_it_fails(bad, check):
    findings = conformance.check_loss(bad)
    message = [finding for finding in findings if finding.check == check]
    assert message, f"{check} found nothing; found: {[str(finding) for finding in findings]}"
    assert all("\n" not in str(finding) and finding.read.endswith(f"#{check}") for finding in message)


def test_every_check_is_shown_to_fail():
    marks = test_a_bad_loss_is_found_by_the_check_it_fails.pytestmark
    assert {check for mark in marks for _, check in mark.args[1]} == set(conformance.CHECKS)


def test_an_innocent_loss_is_accused_of_one_thing_only():
    assert {finding.check for finding in conformance.check_loss(AlwaysMean)} == {"reduction"}
    assert {finding.check for finding in conformance.check_loss(ReadsInHook)} == {"device"}
    assert {finding.check for finding in conformance.check_loss(HookOfOneArgument)} == {"hooks"}


def found_with(bad, **spec):
    return {finding.check for finding in conformance.check_loss(bad, LossSpec(**spec))}


class TwiceTheGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, losses):
        return losses.clone()

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


class DetachedAndWrong(Detached):
    def per_sample(self, logits, labels):
        return TwiceTheGradient.apply(super().per_sample(logits, labels))


class SigmoidPerClass(Loss):
    def per_sample(self, logits, labels):
        targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)


class PenaltyOnLargeLogits(CrossEntropy):
    def per_sample(self, logits, labels):
        return super().per_sample(logits, labels) + (logits.amax(dim=1) - 10).clamp_min(0)


class WeighsClassesAndSamples(CrossEntropy):
    def __init__(self, reduction="sum", *, class_counts):
        super().__init__(reduction)
        self.register_buffer("weights", 1 / class_counts.double())

    def per_sample(self, logits, labels, sample_ids):
        losses = super().per_sample(logits, labels)
        return losses * self.weights[labels].to(losses.dtype) * (1 + sample_ids % 2)


def test_a_declared_stop_gradient_is_checked_with_its_factors_frozen():
    assert found_with(Detached, stop_gradient=True) == set()
    assert "gradient" in found_with(DetachedAndWrong, stop_gradient=True)
    assert found_with(CrossEntropy, stop_gradient=True) == {"gradient"}


def test_a_loss_beyond_the_softmax_must_declare_it():
    for loss in (SigmoidPerClass, PenaltyOnLargeLogits):
        assert found_with(loss) == {"shift"}
        assert found_with(loss, softmax=False) == set()


def test_a_loss_gets_the_context_that_it_names():
    def build(*, reduction):
        return WeighsClassesAndSamples(reduction, class_counts=torch.arange(1, 8))

    assert conformance.check_loss(build) == []


class TestFocal(conformance.LossConformance):
    name = "focal"
    params = MappingProxyType({"gamma": 0.5})
