"""Checks reproducibility: runs of one seed byte for byte, and calibration on the card against the CPU."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor

from gpu_steps.bench import TINY_MODEL, Bench, after
from gpu_steps.card import synchronise
from gpu_steps.straightforward import LOSS, dataset_of, made_up_pictures
from trainables.calibration import evaluate, fit_temperature
from trainables.resolve import resolve
from trainables.training.checkpoint import decode, encode
from trainables.training.run import TrialRun

MODEL, IMAGES, HELD_OUT, BATCH, EPOCHS = "resnet50", 2048, 512, 128, 2
TINY_IMAGES, TINY_HELD_OUT, TINY_BATCH = 40, 20, 8
LEFT_AFTER = 3
"""Number of batches after which a run is interrupted in its first epoch."""

SECONDS = {"float32": 25.0, "bfloat16": 25.0, "bfloat16 compiled": 130.0, "calibration": 10.0, "search": 10.0}

LOGITS, TINY_LOGITS = (10_000, 100), (300, 7)
SEARCHED, TINY_SEARCHED = (50_000, 1_000), (500, 37)

Run = tuple[str, str, bool, bool]
"""Device, precision, compiled, tiny."""


def agreement(bench: Bench, ways: Sequence[str], on_calibration: bool) -> None:
    """Trains a seed twice in each of the ways; then, if requested, compares calibration."""
    for way in ways:
        precision, _, compiled = way.partition(" ")
        run = (bench.device, precision, bool(compiled), bench.tiny)
        bench.measure(f"a seed twice, {way}", lambda run=run: a_seed_twice(run), SECONDS[way])
    if on_calibration:
        bench.measure("calibration", lambda: calibration(bench), SECONDS["calibration"])
        bench.measure("search", lambda: search(bench), SECONDS["search"])


def a_seed_twice(run: Run) -> dict[str, Any]:
    """Trains a seed twice here and once in another process, and resumes it there from a checkpoint made here.

    Returns:
        Whether the test logits of each run equal those of the first, byte for byte, and if not, their largest
        difference.
    """
    first = logits_of(started(run))
    again = logits_of(started(run))
    interrupted = started(run)
    interrupted.advance_until(after(LEFT_AFTER))
    checkpoint = encode(interrupted.state())
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        elsewhere = pool.submit(trained_elsewhere, run, None).result()
        gone_on = pool.submit(trained_elsewhere, run, checkpoint).result()
    return {
        "here": compared(again, first),
        "in_another_process": compared(elsewhere, first),
        "interrupted": compared(gone_on, first),
    }


def started(run: Run) -> TrialRun:
    device, precision, compiled, tiny = run
    images, held_out, batch = (TINY_IMAGES, TINY_HELD_OUT, TINY_BATCH) if tiny else (IMAGES, HELD_OUT, BATCH)
    settings = {"precision": precision, "compile": compiled, "batch_size": batch, "epochs": EPOCHS}
    trial = resolve("cifar10", TINY_MODEL if tiny else MODEL, LOSS, 0, training=settings)
    there = torch.device(device)
    return TrialRun(trial, dataset_of(*made_up_pictures(images), held_out).to(there), there)


def trained_elsewhere(run: Run, checkpoint: bytes | None) -> bytes:
    """The test logits of a run from its start or a checkpoint, as bytes."""
    trial = started(run)
    if checkpoint is not None:
        trial.restore(decode(checkpoint))
    return logits_of(trial)


def logits_of(run: TrialRun) -> bytes:
    while not run.done:
        run.advance()
    return run.result().test.logits.numpy().tobytes()


def compared(ours: bytes, theirs: bytes) -> dict[str, Any]:
    one, other = (torch.frombuffer(bytearray(each), dtype=torch.float32) for each in (ours, theirs))
    return {"equal": ours == theirs, "furthest": float((one - other).abs().max())}


def made_up_logits(samples: int, classes: int) -> tuple[Tensor, Tensor]:
    """Overconfident logits [N, K], and labels [N]."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(samples, classes, generator=generator)
    return logits, torch.multinomial((0.6 * logits).softmax(1), 1, generator=generator).squeeze(1)


def calibration(bench: Bench) -> dict[str, Any]:
    """Compares all scores and temperatures on the device with the CPU."""
    logits, labels = made_up_logits(*(TINY_LOGITS if bench.tiny else LOGITS))
    half = len(labels) // 2
    parts = (logits[:half], labels[:half], logits[half:], labels[half:])
    here, there = evaluate(*parts), evaluate(*(part.to(bench.device) for part in parts))
    temperatures = [name for name in here if name.startswith("temperature_")]
    differences = {name: abs(here[name] - there[name]) for name in here if here[name] == here[name]}
    furthest = max(differences, key=lambda name: differences[name])
    return {
        "temperatures_equal": all(here[name] == there[name] for name in temperatures),
        "temperatures": {name: [here[name], there[name]] for name in temperatures},
        "furthest_score": furthest,
        "furthest": differences[furthest],
    }


def search(bench: Bench) -> dict[str, Any]:
    """The seconds of the temperature search on the device and on the CPU, and the chosen temperatures."""
    logits, labels = made_up_logits(*(TINY_SEARCHED if bench.tiny else SEARCHED))
    found: dict[str, Any] = {"logits": list(logits.shape)}
    for name in dict.fromkeys((bench.device, "cpu")):
        device = torch.device(name)
        there = logits.to(device), labels.to(device)
        fit_temperature(there[0][:100], there[1][:100])
        synchronise(device)
        started_at = time.perf_counter()
        temperature = fit_temperature(*there)
        found[f"{name}_seconds"] = time.perf_counter() - started_at
        found[f"{name}_temperature"] = temperature
    return found
