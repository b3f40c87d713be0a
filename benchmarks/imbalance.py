"""Times samplers and memory formats on a long-tailed data set of CIFAR-10's shape, on one core.

    python benchmarks/imbalance.py [--model small_cnn] [--repeats 5]

The training part has 12,406 made-up images, as CIFAR-10-LT with factor 100.

Samplers: the time in which each draws the order of an epoch, beside the time of a training step and the
number of steps. An order is one tensor operation or a few, without a loop over samples, and moves to the
device once an epoch; images are gathered there. SMOTE and ADASYN make their samples once for a trial.

Memory formats: images per second of `TrialRun.train_epoch`, contiguous and eager (the rival), channels_last
and eager, and channels_last and compiled. They alternate.

Prints medians.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch

from gpu_steps.card import seconds_of
from gpu_steps.methods import BATCH, long_tailed, of_sizes, orders
from trainables.resolve import resolve
from trainables.training.run import TrialRun

CPU = torch.device("cpu")
CLAIMED_SHARE = 0.01
"""Most of a sampler's time for each step, as a share of the step."""

FORMATS: dict[str, dict[str, Any]] = {
    "contiguous, eager": {},
    "channels_last, eager": {"memory_format": "channels_last"},
    "channels_last, compiled": {"memory_format": "channels_last", "compile": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    counts = long_tailed()
    dataset = of_sizes(counts)
    images = len(dataset.train)

    def run_of(settings: dict[str, Any]) -> TrialRun:
        settings = {"batch_size": BATCH, **settings}
        trial = resolve("cifar10", arguments.model, "cross_entropy", 0, "longtail", settings)
        return TrialRun(trial, dataset, CPU)

    runs = {name: run_of(settings) for name, settings in FORMATS.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(1 + arguments.repeats):
        for name, run in runs.items():
            times[name].append(seconds_of(run.train_epoch, CPU))
    rates = {name: images / statistics.median(each[1:]) for name, each in times.items()}
    print(f"torch {torch.__version__}, 1 thread, {arguments.model}, {images} images, batch {BATCH}")
    plain = rates["contiguous, eager"]
    for name, rate in rates.items():
        print(f"{name:>24}  {rate:8,.0f} images/s  {rate / plain:5.2f} times")

    step = BATCH / plain
    print(f"\n{'sampler':>24}  {'samples':>8}  {'an order':>10}  of a step of {1000 * step:.1f} ms")
    for name, drawn in orders(counts).items():
        share = drawn["seconds"] / -(-drawn["samples"] // BATCH) / step
        told = "" if share <= CLAIMED_SHARE else f" (claimed: at most {CLAIMED_SHARE:.0%})"
        print(f"{name:>24}  {drawn['samples']:8,}  {1000 * drawn['seconds']:7.2f} ms  {share:.3%}{told}")


if __name__ == "__main__":
    main()
