"""The cost of a trial: counted from its network, or measured on a few of its steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainables import models
from trainables.catalogue import DATASETS
from trainables.datasets.base import Dataset
from trainables.training.run import TrialRun, load_dataset
from trainables.trial import Trial

PILOT_STEPS = 12
PILOT_REPEATS = 3


def forward_flops(dataset: str, model: str, params: Iterable[tuple[str, Any]] = ()) -> int:
    """Floating-point operations of one sample's forward pass; a multiplication and an addition count as two.

    Args:
        dataset: A data set whose mark states the shape of its samples.
    """
    spec = DATASETS[dataset].spec
    shape, classes = spec.image_shape, spec.classes
    assert shape is not None and classes is not None, dataset
    with torch.device("meta"):
        network = models.build(model, classes, input_shape=shape, **dict(params)).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Measured:
    """The measurements of a pilot.

    Attributes:
        seconds_per_epoch: For training, validation and test together.
        device: Name of the GPU, or 'cpu'.
    """

    seconds_per_epoch: float
    device: str
    peak_memory_gib: float


def pilot(trial: Trial, root: Path | str | None, device: torch.device) -> Measured:
    """Trains some steps of a trial and estimates the duration of a whole epoch.

    All three parts are cut in the same proportion, so that a shortened epoch has its share of each. The first
    epoch is a warm-up and does not count. SAM is left out, since estimates count its second pass.
    """
    trial = replace(trial, training=replace(trial.training, sam=0.0))
    dataset = load_dataset(trial, root, device)
    share = min(1.0, PILOT_STEPS * trial.training.batch_size / len(dataset.train))
    _cut(dataset, share)
    run = TrialRun(trial, dataset, device)
    seconds = []
    for _ in range(1 + PILOT_REPEATS):
        started = time.perf_counter()
        # It ends with numbers on the host, so no synchronisation is needed.
        run.advance()
        seconds.append(time.perf_counter() - started)
    measurements = run.result().measurements
    return Measured(
        statistics.median(seconds[1:]) / share, measurements["device"], measurements["peak_memory_gib"]
    )


def _cut(dataset: Dataset, share: float) -> None:
    dataset.train, dataset.validation, dataset.test = (
        part.first(max(1, round(share * len(part))))
        for part in (dataset.train, dataset.validation, dataset.test)
    )
