"""Times the evaluation of a network on 10,000 images on one core, with small and with large pages of memory.

    python benchmarks/pages.py [--model small_cnn] [--repeats 5]

The rival is torch as it is: pages of 4 KiB. Training processes ask for pages of 2 MiB. Each runs in processes
of its own, since torch reads the choice once; they alternate. Prints medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

import torch

from gpu_steps.straightforward import dataset_of, made_up_pictures
from trainables.resolve import resolve
from trainables.training.run import TrialRun

SAMPLES = 10_000
PAGES = {"4 KiB": "0", "2 MiB": "1"}
"""And the variable of torch that asks for them."""


def seconds(model: str) -> float:
    """Of the passes over all images; of two, the second."""
    torch.set_num_threads(1)
    dataset = dataset_of(*made_up_pictures(SAMPLES), held_out=SAMPLES)
    trial = resolve("cifar10", model, "cross_entropy", 0, training={"memory_format": "channels_last"})
    run = TrialRun(trial, dataset, torch.device("cpu"))
    execution = run.trainer.execution
    run.model.eval()
    took = 0.0
    for _ in range(2):
        start = time.perf_counter()
        with torch.no_grad():
            for indices in torch.arange(SAMPLES).split(execution.evaluation_batch):
                execution.logits(dataset.test.batch(indices)[0])
        took = time.perf_counter() - start
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="Time one process, in this one.")
    arguments = parser.parse_args()
    if arguments.once:
        print(seconds(arguments.model))
        return
    times: dict[str, list[float]] = {name: [] for name in PAGES}
    command = [sys.executable, __file__, "--once", "--model", arguments.model]
    for _ in range(arguments.repeats):
        for name, asked in PAGES.items():
            environment = {**os.environ, "THP_MEM_ALLOC_ENABLE": asked}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            times[name].append(float(done.stdout))
    small, large = map(statistics.median, times.values())
    print(f"torch {torch.__version__}, 1 thread, {arguments.model}, evaluation of {SAMPLES:,} images")
    print(f"pages of 4 KiB {small:.2f} s, of 2 MiB {large:.2f} s: {small / large:.2f} times as fast")


if __name__ == "__main__":
    main()
