"""Compares four parallel trials on one card, a quarter of it each, with one after another."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from gpu_steps.bench import TINY_MODEL, Bench, after
from gpu_steps.card import synchronise
from gpu_steps.speed import BATCH, BATCHES, TINY_BATCH, TINY_BATCHES, WARM_UP, training
from gpu_steps.straightforward import dataset_of, made_up_pictures
from trainables.training import memory

TRIALS = 4
MODELS = ("resnet20", "resnet50")
"""One leaves a card mostly idle, the other does not."""

PRECISION = "bfloat16"
EPOCHS, TINY_EPOCHS = 4, 1
SECONDS = 35.0
STARTING_SECONDS = 90.0
"""How long trials wait for one another to start."""

_together: Barrier


def side_by_side(bench: Bench) -> None:
    for model in (TINY_MODEL,) if bench.tiny else MODELS:
        bench.measure(model, lambda model=model: compared(bench, model), SECONDS)


def compared(bench: Bench, model: str) -> dict[str, Any]:
    """Images per second of all trials together, in turn and in parallel, and the ratio."""
    started, ended, images = trained(bench.device, model, bench.tiny, 1.0)
    alone = images / (ended - started)
    context = get_context("spawn")
    barrier = context.Barrier(TRIALS)
    with ProcessPoolExecutor(TRIALS, context, initializer=_meet, initargs=(barrier,)) as pool:
        answers = [
            pool.submit(trained, bench.device, model, bench.tiny, 1 / TRIALS, True) for _ in range(TRIALS)
        ]
        times = [each.result() for each in answers]
    together = sum(each[2] for each in times) / (max(t[1] for t in times) - min(t[0] for t in times))
    return {
        "model": model,
        "precision": PRECISION,
        "trials": TRIALS,
        "one_after_another_images_per_second": alone,
        "side_by_side_images_per_second": together,
        "ratio": together / alone,
    }


def _meet(barrier: Barrier) -> None:
    global _together
    _together = barrier


def trained(
    device: str, model: str, tiny: bool, share: float, wait: bool = False
) -> tuple[float, float, int]:
    """Trains some epochs in this process, with a share of the card.

    Args:
        wait: Whether to start together with the others.

    Returns:
        When it started and ended, by `time.monotonic`, and the number of images trained in between.
    """
    there = torch.device(device)
    if there.type == "cuda":
        # A share needs the index of the card.
        there = torch.device("cuda", torch.cuda.current_device())
    memory.limit(share, there)
    batch, batches, epochs = (TINY_BATCH, TINY_BATCHES, TINY_EPOCHS) if tiny else (BATCH, BATCHES, EPOCHS)
    dataset = dataset_of(*made_up_pictures(batch * batches))
    run = training(model, PRECISION, False, batch, dataset, str(there))
    run.train_epoch(after(WARM_UP))
    run.train_epoch()
    synchronise(there)
    if wait:
        _together.wait(STARTING_SECONDS)
    started = time.monotonic()
    for _ in range(epochs):
        run.train_epoch()
    synchronise(there)
    return started, time.monotonic(), epochs * batch * batches
