"""A few numbers computed by a trial's code, which change with its results, not with its text.

Each list is short, computed from fixed inputs on the CPU in a fraction of a second, and the same on every
machine up to rounding (`agree`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from trainables import losses, models
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset, Split
from trainables.losses.base import Loss
from trainables.process_state.state import ProcessState
from trainables.resolve import resolve
from trainables.training import seeds
from trainables.training.run import TrialRun
from trainables.trial import Component, TrainingSettings, Trial

CLASSES = 5
SAMPLES = 7
CPU = torch.device("cpu")

MEASURES = ("error", "nll", "entropy", "nll_correct", "entropy_correct", "nll_wrong", "entropy_wrong")
COMPARED = (
    *("epoch", "learning_rate", "train_loss", "gradient_norm"),
    *(f"train_{measure}" for measure in MEASURES),
    *(f"{part}_{measure}" for part in ("validation", "test") for measure in (*MEASURES, "ece")),
    *("feature_norm", "weight_norm"),
)
"""The curves among the numbers of training, in the order of all rows ever stored. Curves added later stay
out, so that the lists remain comparable."""

_on_samples: dict[tuple[Component, Component], tuple[float, ...]] = {}


def numbers(
    trial: Trial, dataset: Dataset | None = None, clean: Callable[[], object] | None = None
) -> dict[str, list[float]]:
    """Numbers for the trial's loss, model and training code, by these names, and for its data set if given.

    A model that takes no images, and so needs word vectors or pretrained weights, is skipped without the data
    set. Failing code is skipped, since the trial itself reports the error.

    Args:
        clean: Removes a running trial's changes to global state, for the duration of this call.
    """
    with _process_kept():
        if clean is not None:
            clean()
        # The rounding of sums depends on the number of threads.
        torch.set_num_threads(1)
        found = {
            # Last come the parts that users add most, since these may change global state.
            "training": _attempt(_of_training, _small(trial.training), trial.sampler),
            "dataset": _attempt(_of_dataset, dataset),
            "model": _attempt(_of_model_of_images, trial.model, trial.dataset.name)
            or _attempt(_of_model_on, trial, dataset),
            "loss": _attempt(_of_loss, trial.loss, _reduction(trial.training)),
        }
    return {kind: list(values) for kind, values in found.items() if values}


def _reduction(settings: TrainingSettings) -> str:
    return "mean" if settings.loss_reduction == "mean" else "sum"


def _small(settings: TrainingSettings) -> TrainingSettings:
    """The settings of a few steps on a CPU that represent those of a trial."""
    return replace(
        settings,
        epochs=2,
        warmup_epochs=min(settings.warmup_epochs, 1),
        milestones=(1,),
        batch_size=SAMPLES,
        precision="float32",
        compile=False,
        embedding_learning_rate=None,
    )


def _attempt(of: Callable[..., tuple[float, ...]], *arguments: object) -> tuple[float, ...]:
    try:
        return of(*arguments)
    except Exception:
        return ()


def _of_dataset(dataset: Dataset | None) -> tuple[float, ...]:
    """The first training samples, unchanged and augmented; nothing if they are not tensors."""
    if dataset is None:
        return ()
    inputs, _ = dataset.train.first(SAMPLES).to(CPU).batch(torch.arange(SAMPLES))
    if not isinstance(inputs, Tensor):
        return ()
    augmented = dataset.augment(inputs, torch.Generator().manual_seed(0))
    return *_summary(inputs), *_summary(augmented)


@functools.cache
def _of_loss(component: Component, reduction: str) -> tuple[float, ...]:
    """Value and gradient at fixed logits, before and after a validation."""
    counts = 10 * torch.arange(1, CLASSES + 1)
    loss = losses.build(component.name, **dict(component.params), reduction=reduction, class_counts=counts)
    fixed = 3 * _waves(SAMPLES, CLASSES)
    # Some right and some wrong, since losses may treat them differently.
    labels = torch.where(torch.arange(SAMPLES) % 2 == 0, fixed.argmax(dim=1), torch.arange(SAMPLES) % CLASSES)
    validation = 2 * _waves(60, CLASSES), torch.arange(60) % CLASSES
    found: list[float] = []
    if type(loss).logits is not Loss.logits:
        found += _summary(loss.logits(fixed))
    for epoch in range(2):
        loss.on_epoch_start(epoch, 2)
        logits = fixed.clone().requires_grad_()
        value = loss(logits, labels)
        (gradient,) = torch.autograd.grad(value, logits)
        found += [value.item(), *_summary(gradient)[1:]]
        loss.on_validation(*validation)
    return tuple(found)


@functools.cache
def _of_model_of_images(component: Component, dataset: str) -> tuple[float, ...]:
    """Outputs on fixed inputs, from seeded weights."""
    spec = DATASETS[dataset].spec
    shape, classes = spec.image_shape, spec.classes
    if shape is None or classes is None:
        return ()
    seeds.seed_everything(0)
    model = models.build(component.name, classes, input_shape=shape, **component.arguments())
    return _outputs(model, _waves(2, *shape))


def _of_model_on(trial: Trial, dataset: Dataset | None) -> tuple[float, ...]:
    """Outputs on samples of the data set itself, from seeded weights."""
    case = trial.model, trial.dataset
    if dataset is not None and case not in _on_samples:
        inputs, _ = dataset.test.first(SAMPLES).to(CPU).batch(torch.arange(SAMPLES))
        seeds.seed_everything(0)
        model = models.build_for(dataset, trial.model)
        _on_samples[case] = _outputs(model, inputs)
    return _on_samples.get(case, ())


def _outputs(model: nn.Module, inputs: Any) -> tuple[float, ...]:
    with torch.no_grad():
        return *_summary(model.train()(inputs)), *_summary(model.eval()(inputs))


@functools.cache
def _of_training(settings: TrainingSettings, sampler: Component) -> tuple[float, ...]:
    """Weights and curves of a small network after two epochs of two steps."""
    parts = [
        Split(_waves(size, 1, 3, 4), torch.arange(size) % CLASSES, torch.arange(size))
        for size in (2 * SAMPLES, 11, 13)
    ]
    train, validation, test = parts
    dataset = Dataset(train, validation, test, num_classes=CLASSES, input_shape=(1, 3, 4))
    trial = replace(resolve("digits", "mlp", "cross_entropy", seed=0), training=settings, sampler=sampler)
    run = TrialRun(trial, dataset, CPU)
    for _ in range(settings.epochs):
        curves = run.advance()
    weights = torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])
    measured = (curves[name] for name in COMPARED)
    return *_summary(weights), *(math.nan if value is None else float(value) for value in measured)


def _waves(*shape: int) -> Tensor:
    """A tensor of this shape with irregular values in [-1, 1]."""
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64) ** 1.5).reshape(shape).float()


def _summary(tensor: Tensor) -> tuple[float, ...]:
    """Mean, root mean square and a weighted mean: a change of any value would change them."""
    values = tensor.detach().double().flatten().cpu()
    weighted = values * torch.cos(torch.arange(len(values), dtype=torch.float64))
    return values.mean().item(), values.square().mean().sqrt().item(), weighted.mean().item()


@contextmanager
def _process_kept() -> Iterator[None]:
    process = ProcessState()
    process.begin()
    try:
        yield
    finally:
        process.end()
