"""Checks each loss, sampler and way of training on the card, and measures the share of samplers."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from gpu_steps.bench import TINY_MODEL, Bench, NotRun
from gpu_steps.card import seconds_of
from gpu_steps.speed import epochs_timed
from gpu_steps.straightforward import CLASSES, dataset_of, made_up_pictures
from trainables import samplers
from trainables.catalogue import LOSSES, SAMPLERS
from trainables.datasets.images import ImageDataset
from trainables.errors import ConfigurationError
from trainables.imbalance import class_sizes
from trainables.resolve import resolve
from trainables.training.run import TrialRun
from trainables.trial import Selection

CHECKED = TINY_MODEL
SHORT = {"batch_size": 32, "epochs": 2, "learning_rate": 0.01}
FREQUENT, RARE = 40, 8
TINY_FREQUENT, TINY_RARE = 10, 4
"""Images of each of the first five and of the last five classes of a check."""

SAMPLER_PARAMETERS: dict[str, dict[str, Any]] = {
    "resampled": {"power": 0.3},
    "feature_smote": {"neighbours": 3},
    "feature_adasyn": {"neighbours": 3},
}
WAYS: dict[str, dict[str, Any]] = {
    "sam": {"sam": 0.05},
    "mixup": {"mixup": 0.2},
    "ema_decay": {"ema_decay": 0.9},
    "swa_start": {"swa_start": 0.5, "swa_learning_rate": 0.02},
    "adam with a cosine": {"optimizer": "adam", "schedule": "cosine", "warmup_epochs": 1},
}
NO_IMAGES = ("smote", "adasyn")
"""Samplers that need inputs of real numbers. They make their samples once for a trial."""

TIMED, BATCH, LARGEST, FACTOR = "resnet32", 128, 5000, 100
TINY_BATCH, TINY_LARGEST = 16, 20
ORDERS = 20
SECONDS, TIMED_SECONDS = 4.0, 20.0


def methods(bench: Bench) -> None:
    """Checks each loss, sampler and way of training, then measures samplers."""
    for name in LOSSES.names():
        if LOSSES[name].spec.task == "classification":
            loss = (name, {} if LOSSES[name].preset else LOSSES[name].spec.example)
            checked = functools.partial(check, bench, loss, "natural")
            bench.measure(f"loss {name}", checked, SECONDS)
    for name in SAMPLERS.names():
        if name not in NO_IMAGES:
            sampler = (name, SAMPLER_PARAMETERS.get(name, {}))
            checked = functools.partial(check, bench, "cross_entropy", sampler)
            bench.measure(f"sampler {name}", checked, SECONDS)
    for way, settings in WAYS.items():
        checked = functools.partial(check, bench, "cross_entropy", "natural", settings)
        bench.measure(f"training {way}", checked, SECONDS)
    bench.measure("share of samplers", lambda: shares(bench), TIMED_SECONDS)


def check(
    bench: Bench, loss: Selection, sampler: Selection, settings: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Trains a seed twice on the card and once on the CPU, in float32 without augmentation.

    Returns:
        Whether the test logits of both runs on the card are equal, byte for byte, and the largest difference
        from those of the CPU as a fraction of the largest logit.
    """
    first, again, on_cpu = (
        logits_of(device, loss, sampler, settings, bench.tiny)
        for device in (bench.device, bench.device, "cpu")
    )
    return {
        "equal": first.numpy().tobytes() == again.numpy().tobytes(),
        "furthest_from_cpu": float((first - on_cpu).abs().max() / on_cpu.abs().max()),
    }


def logits_of(
    device: str, loss: Selection, sampler: Selection, settings: Mapping[str, Any], tiny: bool
) -> Tensor:
    """Test logits of a short training."""
    settings = {**SHORT, **settings}
    frequent, rare = (TINY_FREQUENT, TINY_RARE) if tiny else (FREQUENT, RARE)
    counts = class_sizes("step", frequent / rare, frequent, CLASSES)
    try:
        trial = resolve("cifar10", CHECKED, loss, 0, training=settings, sampler=sampler)
        dataset = of_sizes(counts, padding=None).to(torch.device(device))
        run = TrialRun(trial, dataset, torch.device(device))
        while not run.done:
            run.advance()
    except ConfigurationError as error:
        raise NotRun(str(error)) from error
    logits: Tensor = run.result().test.logits
    return logits


def of_sizes(counts: Sequence[int], padding: int | None = 4) -> ImageDataset:
    """Random images in classes of these sizes, [K]."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    dataset = dataset_of(made_up_pictures(len(labels))[0], labels)
    dataset.padding = padding
    return dataset


def long_tailed(largest: int = LARGEST) -> list[int]:
    """Sizes of classes that fall from `largest` to a hundredth, [K]."""
    return class_sizes("exponential", FACTOR, largest, CLASSES)


def shares(bench: Bench) -> dict[str, Any]:
    """Measures epochs of a long-tailed data set with each sampler, and its part of them.

    Returns:
        For each sampler: number of samples, images per second, seconds to draw an order, and these as a
        fraction of the epoch.
    """
    batch, largest = (TINY_BATCH, TINY_LARGEST) if bench.tiny else (BATCH, LARGEST)
    model = TINY_MODEL if bench.tiny else TIMED
    device = torch.device(bench.device)
    counts = long_tailed(largest)
    dataset = of_sizes(counts).to(device)
    found: dict[str, Any] = {"model": model, "precision": "bfloat16"}
    for name, drawn in orders(counts).items():
        training = {"batch_size": batch, "precision": "bfloat16"}
        sampler = (name, SAMPLER_PARAMETERS.get(name, {}))
        trial = resolve("cifar10", model, "cross_entropy", 0, "longtail", training, sampler=sampler)
        run = TrialRun(trial, dataset, device)
        run.train_epoch()
        epoch = statistics.median(epochs_timed(run.train_epoch, device, 0.0))
        found[name] = {
            "samples": drawn["samples"],
            "images_per_second": drawn["samples"] / epoch,
            "seconds_of_an_order": drawn["seconds"],
            "share_of_epoch": drawn["seconds"] / epoch,
        }
    return found


def orders(counts: Sequence[int]) -> dict[str, Any]:
    """Median seconds in which each sampler of images draws an order, and the number of samples in it.

    Args:
        counts: Sizes of the classes, [K].
    """
    found = {}
    sizes = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), sizes)
    generator = torch.Generator().manual_seed(0)
    for name in SAMPLERS.names():
        if name in NO_IMAGES or SAMPLERS[name].spec.on_features:
            continue
        context = {"samples": len(labels), "labels": labels, "class_counts": sizes}
        sampler = samplers.build(name, **SAMPLER_PARAMETERS.get(name, {}), **context)
        sampler.on_epoch_start(100, 200)
        draw, cpu = functools.partial(sampler.epoch, generator), torch.device("cpu")
        times = [seconds_of(draw, cpu) for _ in range(ORDERS)]
        found[name] = {"seconds": statistics.median(times), "samples": len(sampler.epoch(generator))}
    return found
