"""Measures a network's training speed in images per second by precision, and its share of the floor."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gpu_steps.bench import TINY_MODEL, Bench, after, clear
from gpu_steps.card import from_data, seconds_of, synchronise, torchvision_version
from gpu_steps.profiling import Annotated, profile
from gpu_steps.straightforward import CLASSES, LOSS, dataset_of, made_up_pictures, straightforward
from trainables import models
from trainables.datasets.images import ImageDataset
from trainables.floor import Rates, work
from trainables.resolve import resolve
from trainables.training import memory
from trainables.training.run import TrialRun

BATCH, BATCHES = 128, 32
TINY_BATCH, TINY_BATCHES = 8, 3
WARM_UP = 6
"""Number of batches that do not count: the first ones try algorithms and allocate memory."""

LEAST_REPEATS, MOST_REPEATS, ENOUGH_SECONDS = 2, 8, 3.0
SECONDS = {"float32": 20.0, "bfloat16": 12.0, "compiled": 60.0, "loop": 15.0, "profile": 8.0}
"""Approximate durations of measurements, so that none starts too late to finish."""

SHAPE = (3, 32, 32)


def speed(bench: Bench, model: str, ways: Sequence[str], profiles: bool, loop: bool) -> None:
    """Measures a network in the given ways: 'float32', 'bfloat16', 'bfloat16 compiled'.

    Args:
        profiles: Whether to profile a step too, except in float32.
        loop: Whether to measure the straightforward loop too.
    """
    network = TINY_MODEL if bench.tiny else model
    batch, batches = (TINY_BATCH, TINY_BATCHES) if bench.tiny else (BATCH, BATCHES)
    pictures = made_up_pictures(batch * batches)
    for way in ways:
        precision, _, compiled = way.partition(" ")
        # Created in the measurement, which then catches its failure, and kept for the profile.
        made: list[TrialRun] = []

        def measured(precision: str = precision, compiled: bool = bool(compiled), made: Any = made) -> Any:
            made.append(training(network, precision, compiled, batch, dataset_of(*pictures), bench.device))
            return images_per_second(made[0], from_data(bench.rates), 0.0 if bench.tiny else ENOUGH_SECONDS)

        needs = SECONDS["compiled" if compiled else precision]
        if bench.measure(way, measured, needs, kind="speed") and profiles and precision != "float32":
            bench.measure(
                f"profile of {way}", lambda made=made: profile(made[0], WARM_UP), SECONDS["profile"]
            )
        made.clear()
        with contextlib.suppress(RuntimeError):
            # If the card is broken, the next measurement reports it too.
            clear(bench.device)
    if loop:
        bench.measure(
            "straightforward loop", lambda: of_the_loop(network, pictures, batch, bench), SECONDS["loop"]
        )


def training(
    model: str, precision: str, compiled: bool, batch: int, dataset: ImageDataset, device: str
) -> TrialRun:
    """A started trial that marks augmentation for profiles."""
    settings = {"precision": precision, "compile": compiled, "batch_size": batch}
    trial = resolve("cifar10", model, LOSS, 0, training=settings)
    there = torch.device(device)
    return TrialRun(trial, Annotated.of(dataset).to(there), there)


def images_per_second(run: TrialRun, rates: Rates | None, enough: float = ENOUGH_SECONDS) -> dict[str, Any]:
    """Trains epochs to measure their time, after a warm-up.

    Args:
        enough: Minimum seconds of training, over at least two epochs.

    Returns:
        What `plan` reads: model, precision, compile, images_per_second, training_flops_per_image;
        share_of_floor (a fraction; None if the card's rates are unknown), peak_memory_gib, and details of the
        measurement.
    """
    settings = run.trial.training
    images = len(run.dataset.train)
    breaks_before = graph_breaks() if settings.compile else 0
    started = time.perf_counter()
    run.train_epoch(after(WARM_UP))
    synchronise(run.device)
    first_batches = time.perf_counter() - started
    # Finish the current epoch, which is not a whole one.
    run.train_epoch()
    seconds = epochs_timed(run.train_epoch, run.device, enough)
    rate = images / statistics.median(seconds)
    count = work(run.trial.model.name, CLASSES, SHAPE)
    floor = None
    if rates is not None:
        floor = count.floor_seconds(rates, settings.precision, settings.batch_size)
    return {
        "model": run.trial.model.label,
        "precision": settings.precision,
        "compile": settings.compile,
        "execution": run.trainer.execution.description,
        "batch_size": settings.batch_size,
        "images_per_second": rate,
        "training_flops_per_image": count.training_flops,
        "share_of_floor": None if floor is None else floor * rate,
        "floor_seconds_per_image": floor,
        "peak_memory_gib": memory.peak_gib(run.device),
        "images_in_an_epoch": images,
        "seconds_of_epochs": seconds,
        "seconds_of_first_batches": first_batches,
        "graph_breaks": graph_breaks() - breaks_before if settings.compile else None,
    }


def epochs_timed(epoch: Callable[[], object], device: torch.device, enough: float) -> list[float]:
    """Seconds of each of several epochs; no further ones once they add up to `enough`."""
    found: list[float] = []
    while len(found) < LEAST_REPEATS or (sum(found) < enough and len(found) < MOST_REPEATS):
        found.append(seconds_of(epoch, device))
    return found


def graph_breaks() -> int:
    """Number of graph breaks of torch.compile in this process."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def of_the_loop(network: str, pictures: Any, batch: int, bench: Bench) -> dict[str, Any]:
    """Images per second of the straightforward loop, in float32 with torch's default TF32."""
    torchvision_version()
    device = torch.device(bench.device)
    model = models.build(network, CLASSES, input_shape=SHAPE).to(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    epoch = straightforward(model, *pictures, batch, device)
    epoch()
    seconds = epochs_timed(epoch, device, 0.0 if bench.tiny else ENOUGH_SECONDS)
    return {
        "model": network,
        "images_per_second": len(pictures[1]) / statistics.median(seconds),
        "peak_memory_gib": memory.peak_gib(device),
        "seconds_of_epochs": seconds,
    }
