"""Measures the effect of bfloat16 on error and ECE: a narrow ResNet on real pictures, up to ten seeds.

The pictures are NumPy files in a folder, so that neither pickle nor a data set's archive is needed:
`{train,validation,test}_images.npy`, uint8 [N, 3, 32, 32], and `..._labels.npy`, uint8 [N].
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpu_steps.bench import Bench, NotRun
from trainables.calibration import evaluate
from trainables.datasets.images import NORMALISATIONS, ImageDataset, ImageSplit, checked_labels
from trainables.resolve import resolve
from trainables.training.run import TrialRun

PARTS = ("train", "validation", "test")
CLASSES = 10
MODEL, LOSS = "resnet20", "cross_entropy"
PRECISIONS = ("float32", "bfloat16")
SEEDS, TINY_SEEDS = range(10), range(3)
EPOCHS, TINY_EPOCHS = 20, 1
SECONDS = 10.0
"""Approximate minimum duration of one training."""

SCORES = ("test_error", "test_ece", "test_nll", "test_ece_after_ece", "temperature_ece")


def accuracy(bench: Bench) -> None:
    """Trains each seed in both precisions in turn, so that an interruption leaves complete pairs."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for seed in TINY_SEEDS if bench.tiny else SEEDS:
        for precision in PRECISIONS:
            scores = bench.measure(
                f"{precision}, seed {seed}",
                lambda precision=precision, seed=seed: trained(bench, precision, seed),
                SECONDS,
            )
            if scores is not None:
                found[precision].append(dict(scores))
    if found:
        bench.measure("spread", lambda: spread(found))


def spread(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Mean and sample standard deviation (n - 1; None for one seed) of each score over the seeds."""
    return {
        precision: {
            "seeds": len(scores),
            **{
                name: {
                    "mean": statistics.mean(score[name] for score in scores),
                    "standard_deviation": statistics.stdev(score[name] for score in scores)
                    if len(scores) > 1
                    else None,
                }
                for name in SCORES
            },
        }
        for precision, scores in found.items()
    }


def trained(bench: Bench, precision: str, seed: int) -> dict[str, float]:
    """Trains once. Returns the scores, as fractions; NLL in nats."""
    if bench.pictures is None:
        raise NotRun("--pictures names no folder: benchmarks/pictures.py makes one")
    epochs = TINY_EPOCHS if bench.tiny else EPOCHS
    trial = resolve("cifar10", MODEL, LOSS, seed, training={"precision": precision, "epochs": epochs})
    device = torch.device(bench.device)
    run = TrialRun(trial, read(bench.pictures).to(device), device)
    while not run.done:
        if bench.left() < 0:
            raise NotRun(f"no time was left after {run.epoch} of {epochs} epochs")
        run.advance()
    result = run.result()
    both = (result.validation, result.test)
    scores = evaluate(*(tensor for part in both for tensor in (part.logits, part.labels)))
    return {name: scores[name] for name in SCORES} | {"seconds": run.seconds}


def write(folder: Path, dataset: ImageDataset, sizes: dict[str, int]) -> None:
    """Writes the first pictures of each part."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        chosen = getattr(dataset, part).first(sizes[part])
        np.save(folder / f"{part}_images.npy", chosen.inputs.numpy(), allow_pickle=False)
        np.save(folder / f"{part}_labels.npy", chosen.labels.numpy().astype(np.uint8), allow_pickle=False)


def read(folder: Path) -> ImageDataset:
    """Reads the data set written by `write`.

    Raises:
        NotRun: Files are missing.
        DataError: Labels are outside of the ten classes.
    """
    parts = []
    for part in PARTS:
        paths = [folder / f"{part}_{what}.npy" for what in ("images", "labels")]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise NotRun(f"there is no {missing[0]}: benchmarks/pictures.py makes it")
        images, labels = (torch.from_numpy(np.load(path, allow_pickle=False)) for path in paths)
        labels = checked_labels(labels.long(), CLASSES, paths[1])
        parts.append(ImageSplit(images, labels, torch.arange(len(labels)), NORMALISATIONS["cifar10"]))
    return ImageDataset(*parts, num_classes=CLASSES)
