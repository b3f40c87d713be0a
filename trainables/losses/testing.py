"""What every loss must do, as checks that anyone can run on their own: `calibsweep check-loss NAME`.

Each check builds a new loss and tests one promise of `trainables.losses.base`. A finding is a broken
promise, in one line; no findings means that the loss can be put into a sweep.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from trainables.catalogue import LOSSES
from trainables.errors import ConfigurationError
from trainables.losses.base import Loss, Reduction
from trainables.losses.stop_gradient import difference
from trainables.registry.specs import LossSpec
from trainables.testing import CLASSES, Conformance, check_task, random_logits
from trainables.texts import closest
from trainables.training.trainer import batch_context_of

GUIDE = "docs/adding-a-loss.md"
EPOCHS = 10
REDUCTIONS: tuple[Reduction, Reduction] = ("sum", "mean")


Check = Callable[["Build", LossSpec], Iterator[str]]


class Build(Protocol):
    """Builds a new loss with one of the two reductions."""

    def __call__(self, *, reduction: Reduction) -> Loss: ...


@dataclass(frozen=True)
class Finding:
    """A promise that the loss does not keep.

    Attributes:
        check: Name of the check, a key of `CHECKS`.
        problem: What happened, in one line.
        read: Where to read what is asked for, and why.
    """

    check: str
    problem: str
    read: str

    def __str__(self) -> str:
        return f"{self.check}: {self.problem} (see {self.read})"


def check(name: str, **params: object) -> list[Finding]:
    """What is wrong with the registered loss `name`; an empty list if nothing is.

    Args:
        params: The loss's own parameters. Those it requires and that are left out are taken from
            `spec={"example": {...}}` of its mark, if that has them.

    Raises:
        ConfigurationError: An unknown name or parameter, or a loss for another task than classification.
    """
    entry = LOSSES[name]
    check_task(entry)
    example = {} if entry.preset else entry.spec.example
    chosen = LOSSES.resolve(name, {**example, **params})
    counts = 10 * torch.arange(1, CLASSES + 1)

    def build(*, reduction: Reduction) -> Loss:
        loss: Loss = LOSSES.build(entry.component, reduction=reduction, class_counts=counts, **chosen)
        return loss

    return check_loss(build, entry.spec)


def check_loss(build: Build, spec: LossSpec | None = None) -> list[Finding]:
    """What is wrong with the losses that `build(reduction=...)` makes; an empty list if nothing is.

    Args:
        spec: As a mark declares it.
    """
    spec = spec or LossSpec()

    def with_context(*, reduction: Reduction) -> Loss:
        loss = build(reduction=reduction)
        if batch_context_of(loss):
            loss.register_forward_pre_hook(_add_context, with_kwargs=True)
        return loss

    return _findings(with_context, spec)


def _add_context(loss: Loss, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What the loss asks for with each batch. A sample keeps its id in whatever order it comes."""
    logits = given[0].detach()
    ids = (logits[:, 0] - logits[:, 1]).argsort().argsort()
    provided = {"sample_ids": ids}
    requested = batch_context_of(loss)
    for name in requested:
        if name not in provided:
            raise ConfigurationError(f"no task provides {name!r} with a batch.{closest(name, provided)}")
    return given, {**named, **{name: provided[name] for name in requested}}


def _findings(build: Build, spec: LossSpec) -> list[Finding]:
    findings = []
    for name, run in CHECKS.items():
        try:
            problems = list(run(build, spec))
        except Exception as error:
            problems = [f"{type(error).__name__}: {_first_line(error)}"]
        findings += [Finding(name, problem, f"{GUIDE}#{name}") for problem in problems]
        if problems and name in FIRST:
            break
    return findings


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _scalar(build: Build, spec: LossSpec) -> Iterator[str]:
    for dtype in (torch.float32, torch.float64):
        logits, labels = _batch(dtype)
        for reduction in REDUCTIONS:
            value = build(reduction=reduction)(logits, labels)
            if value.shape != () or value.dtype != dtype:
                yield f"{dtype} logits give {value.dtype} of shape {list(value.shape)}, not a scalar"
                return
            if not value.isfinite():
                yield f"the value of an ordinary batch is {value.item()}"
                return


def _reduction(build: Build, spec: LossSpec) -> Iterator[str]:
    logits, labels = _batch()
    total, mean = (build(reduction=reduction)(logits, labels) for reduction in REDUCTIONS)
    if not torch.allclose(total, mean * len(labels), rtol=1e-9):
        expected = mean.item() * len(labels)
        yield f"the sum is {total.item():.6g}, but {len(labels)} samples times the mean are {expected:.6g}"


def _gradient(build: Build, spec: LossSpec) -> Iterator[str]:
    for when, loss in (("new", build(reduction="sum")), ("after its hooks", _exercised(build))):
        logits, labels = _batch()
        if spec.stop_gradient:
            if problem := difference(loss, logits, labels):
                yield f"{when}: {problem}"
                return
            continue
        logits.requires_grad_()
        try:
            torch.autograd.gradcheck(loss, (logits, labels))
        except (RuntimeError, ValueError) as error:
            yield f"{when}: autograd and finite differences disagree: {_first_line(error)}"
            return


def _order(build: Build, spec: LossSpec) -> Iterator[str]:
    loss = _exercised(build)
    logits, labels = _batch()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    value, shuffled = loss(logits, labels), loss(logits[order], labels[order])
    if not torch.allclose(value, shuffled, rtol=1e-9):
        yield f"reordering the samples changes the value from {value.item():.6g} to {shuffled.item():.6g}"


def _shift(build: Build, spec: LossSpec) -> Iterator[str]:
    if not spec.softmax:
        return
    loss = _exercised(build)
    logits, labels = _batch()
    offsets = torch.linspace(-3, 4, len(labels), dtype=torch.float64)[:, None]
    # Large ones too, for what sets in only there.
    for scale in (1, 30):
        value, shifted = loss(scale * logits, labels), loss(scale * (logits + offsets), labels)
        if not torch.allclose(value, shifted, rtol=1e-8):
            yield (
                f"a constant of up to {4 * scale} added to each sample's logits changes the value from "
                f"{value.item():.6g} to {shifted.item():.6g}, though no probability changes; if that is "
                'intended, declare spec={"softmax": False}'
            )
            return


def _saturated(build: Build, spec: LossSpec) -> Iterator[str]:
    labels = torch.arange(6) % 3
    right = torch.nn.functional.one_hot(labels, CLASSES).float()
    batches = {
        "all confident and correct": right,
        "all confident and wrong": -right,
        "half correct": right * torch.tensor([1.0, -1.0]).repeat(3)[:, None],
        "all equal": torch.zeros(6, CLASSES),
    }
    for when, loss in (
        ("new", build(reduction="sum")),
        ("after its hooks", _exercised(build, torch.float32)),
    ):
        for batch, direction in batches.items():
            for scale in (20.0, 200.0, 1e4):
                for count in (6, 1):
                    logits = (direction[:count] * scale).requires_grad_()
                    value = loss(logits, labels[:count])
                    (gradient,) = torch.autograd.grad(value, logits)
                    if not (value.isfinite() and gradient.isfinite().all()):
                        yield (
                            f"{when}: logits of size {scale:g}, {batch}, batch of {count}: the value is "
                            f"{value.item():g}, {int((~gradient.isfinite()).sum())} gradients are not finite"
                        )
                        return


def _logits(build: Build, spec: LossSpec) -> Iterator[str]:
    loss = _exercised(build, torch.float32)
    outputs, _ = _batch(torch.float32)
    for scale in (1.0, 1e4):
        logits = loss.logits(scale * outputs)
        if logits.shape != outputs.shape or logits.dtype != outputs.dtype:
            yield f"{list(outputs.shape)} outputs give {logits.dtype} of shape {list(logits.shape)}"
            return
        if not logits.isfinite().all():
            yield f"outputs of up to {scale * outputs.abs().max():.3g} give logits that are not finite"
            return


def _hooks(build: Build, spec: LossSpec) -> Iterator[str]:
    loss = build(reduction="sum")
    logits, labels = _batch(torch.float32)
    for epoch in range(EPOCHS):
        loss.on_epoch_start(epoch, EPOCHS)
        value = loss(logits, labels)
        loss.on_validation(*_validation(torch.float32, seed=epoch))
        if not value.isfinite():
            yield f"in epoch {epoch} of {EPOCHS} the value is {value.item()}"
            return
    loss.on_epoch_start(0, 1)


def _state(build: Build, spec: LossSpec) -> Iterator[str]:
    loss = _exercised(build)
    logits, labels = _batch()
    restored = build(reduction="sum")
    restored.load_state_dict(loss.state_dict())
    for when in ("", " and one more epoch"):
        value, again = loss(logits, labels), restored(logits, labels)
        if not torch.equal(value, again):
            yield (
                f"after its hooks{when} the value is {value.item():.6g}, but {again.item():.6g} in a loss "
                "that loaded its state: keep changing values in buffers"
            )
            return
        for one in (loss, restored):
            one.on_epoch_start(EPOCHS - 1, EPOCHS)
            one.on_validation(*_validation(torch.float64, seed=EPOCHS))


def _device(build: Build, spec: LossSpec) -> Iterator[str]:
    # Tensors on the 'meta' device have no values: whatever would read one, and so make a GPU wait, fails.
    loss = build(reduction="sum").to("meta")
    logits, labels = (tensor.to("meta") for tensor in _batch(torch.float32))
    logits.requires_grad_()
    steps: dict[str, Callable[[], object]] = {
        "the forward pass": lambda: loss(logits, labels),
        "the backward pass": lambda: loss(logits, labels).backward(),
        "on_epoch_start": lambda: loss.on_epoch_start(1, EPOCHS),
        "on_validation": lambda: loss.on_validation(logits.detach(), labels),
    }
    for name, step in steps.items():
        try:
            step()
        except Exception as error:
            yield f"{name} does not run on device 'meta', where no value can be read: {_first_line(error)}"
            return


def _precision(build: Build, spec: LossSpec) -> Iterator[str]:
    narrow, wide = (_exercised(build, dtype)(*_batch(dtype)) for dtype in (torch.float32, torch.float64))
    if not torch.allclose(narrow.double(), wide, rtol=1e-4):
        yield f"float32 gives {narrow.item():.8g}, but float64 {wide.item():.8g}"


def _copy(build: Build, spec: LossSpec) -> Iterator[str]:
    loss = _exercised(build)
    logits, labels = _batch()
    before = loss(logits, labels)
    twin = copy.deepcopy(loss)
    if not torch.equal(before, twin(logits, labels)):
        yield "a deep copy gives a different value"
    _run_hooks(twin, torch.float64, seed=99)
    if not torch.equal(before, loss(logits, labels)):
        yield "hooks of a deep copy change the original: they share state"


CHECKS: dict[str, Check] = {
    "scalar": _scalar,
    "hooks": _hooks,
    "reduction": _reduction,
    "gradient": _gradient,
    "order": _order,
    "shift": _shift,
    "saturated": _saturated,
    "logits": _logits,
    "state": _state,
    "device": _device,
    "precision": _precision,
    "copy": _copy,
}

FIRST = ("scalar", "hooks")
"""All other checks need these to hold, and are left out where one does not."""


def _batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Random logits [24, 7], about half of them predicting the label [24]."""
    logits, labels = random_logits()
    return logits.to(dtype), labels


def _validation(dtype: torch.dtype, seed: int) -> tuple[Tensor, Tensor]:
    """Random validation logits [200, 7] of a network that is overconfident here and underconfident there."""
    generator = torch.Generator().manual_seed(1000 + seed)
    logits = 3 * torch.randn(200, CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES, (200,), generator=generator)
    unsure = logits.softmax(dim=1).amax(dim=1) < 0.8
    labels[unsure] = logits[unsure].argmax(dim=1)
    return logits.to(dtype), labels


def _run_hooks(loss: Loss, dtype: torch.dtype, seed: int = 0) -> None:
    for epoch in range(EPOCHS):
        loss.on_epoch_start(epoch, EPOCHS)
        loss.on_validation(*_validation(dtype, seed + epoch))


def _exercised(build: Build, dtype: torch.dtype = torch.float64) -> Loss:
    """A loss that has been through some epochs, so that its state, if any, is no longer the initial one."""
    loss = build(reduction="sum")
    _run_hooks(loss, dtype)
    return loss


class LossConformance(Conformance):
    """What training asks of a loss: each check of this kit as a test."""

    registry = LOSSES

    def _passes(self, name: str) -> None:
        findings = [
            str(finding) for finding in check(self.entry.name, **self.params) if finding.check == name
        ]
        assert not findings, "; ".join(findings)


def _as_test(name: str) -> Callable[[LossConformance], None]:
    def test(self: LossConformance) -> None:
        self._passes(name)

    return test


for _name in CHECKS:
    setattr(LossConformance, f"test_{_name}", _as_test(_name))
