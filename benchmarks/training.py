"""Measures the training speed in images per second, against the straightforward loop.

    python benchmarks/training.py [--model resnet50] [--precision bfloat16] [--compile] [--device cuda]

The straightforward loop is the usual code (gpu_steps/straightforward.py). Ours is `TrialRun.train_epoch`, on
the same network, batch size, clipping and loss. Both train alternately in this process on the same random
bytes of CIFAR-10's shape, after one warm-up epoch each. Prints images per second, their ratio, and, on a
GPU, the share of its floor (trainables/floor.py) and the peak memory.

Without a GPU the network is small and float32, so that the rest of the loop dominates.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch

from gpu_steps.card import measured_rates
from gpu_steps.straightforward import CLASSES, LOSS, dataset_of, made_up_pictures, straightforward
from trainables import models
from trainables.builds import check_builds
from trainables.errors import ConfigurationError
from trainables.floor import work
from trainables.resolve import resolve
from trainables.training.run import TrialRun, default_device

EPOCH = 45_000

CLAIMED_ON_GPU, CLAIMED_ON_CPU = 4.0, 1.0


def seconds(epoch: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    epoch()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main() -> int:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet50" if gpu else "small_cnn")
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="bfloat16" if gpu else "float32"
    )
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--images", type=int, default=EPOCH if gpu else 10_240)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    try:
        check_builds()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    device = torch.device(arguments.device)

    pictures = made_up_pictures(arguments.images)
    settings = {"precision": arguments.precision, "compile": arguments.compile, "batch_size": arguments.batch}
    trial = resolve("cifar10", arguments.model, LOSS, 0, training=settings)
    dataset = dataset_of(*pictures).to(device)
    run = TrialRun(trial, dataset, device)
    network = models.build(arguments.model, CLASSES, input_shape=dataset.input_shape).to(device)
    epochs = {
        "straightforward loop": straightforward(network, *pictures, arguments.batch, device),
        "calibsweep": run.train_epoch,
    }

    times: dict[str, list[float]] = {name: [] for name in epochs}
    peaks = dict.fromkeys(epochs, 0.0)
    for _ in range(1 + arguments.repeats):
        for name, epoch in epochs.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            times[name].append(seconds(epoch, device))
            if device.type == "cuda":
                peaks[name] = torch.cuda.max_memory_allocated(device) / 2**30
    hardware = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    how = f"{arguments.precision}{', compiled' if arguments.compile else ''}"
    print(f"torch {torch.__version__}, {hardware}, {arguments.model}, batch {arguments.batch}, ours {how}")
    rates = {name: arguments.images / statistics.median(each[1:]) for name, each in times.items()}
    for name, rate in rates.items():
        peak = f", peak memory {peaks[name]:.2f} GiB" if device.type == "cuda" else ""
        print(f"{name:>20}  {rate:10,.0f} images/s{peak}")
    if device.type == "cpu":
        peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{'peak memory of both':>20}  {peak_gib:10.2f} GiB")
    ratio = rates["calibsweep"] / rates["straightforward loop"]
    claimed = CLAIMED_ON_GPU if device.type == "cuda" else CLAIMED_ON_CPU
    print(f"{'ratio':>20}  {ratio:10.2f} (claimed: at least {claimed:g})")
    if device.type == "cuda":
        count = work(arguments.model, CLASSES, (3, 32, 32))
        floor = count.floor_seconds(measured_rates(device), arguments.precision, arguments.batch)
        print(f"{'share of the floor':>20}  {rates['calibsweep'] * floor:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
