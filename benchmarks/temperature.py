"""Measures the speed-up of the one-pass temperature search over a loop over temperatures.

    python benchmarks/temperature.py [--repeats 3]

The rival is the usual code: for each of the 100 temperatures, one softmax of the scaled logits, the greatest
probability and its class, and 15 bins selected by masks, all in the logits' float32. Both run alternately in
this process on one thread, and must choose the same temperature. Ours computes in float64, so that it chooses
the same on every processor. Prints the medians and their ratio.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from trainables.calibration import TEMPERATURES, fit_temperature

SIZES = ((10_000, 100, 4.0), (50_000, 1_000, 6.0))
"""Samples, classes, and the claimed minimum ratio."""


def loop_over_temperatures(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least ECE, found in the straightforward way."""
    edges = torch.linspace(0, 1, 16)
    best_ece, best_temperature = float("inf"), 1.0
    for temperature in TEMPERATURES:
        confidences, predictions = torch.softmax(logits / temperature, dim=1).max(dim=1)
        correct = (predictions == labels).float()
        ece = 0.0
        for lower, upper in itertools.pairwise(edges):
            inside = (confidences > lower) & (confidences <= upper)
            if inside.any():
                gap = confidences[inside].mean() - correct[inside].mean()
                ece += float(gap.abs() * inside.float().mean())
        if ece < best_ece:
            best_ece, best_temperature = ece, temperature
    return best_temperature


def seconds(function: Callable[[Tensor, Tensor], float], *data: Tensor) -> tuple[float, float]:
    # CPU time of this single-threaded process, so that other load on the machine does not count.
    start = time.process_time()
    result = function(*data)
    return time.process_time() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="timings of each, of which the median counts")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, 100 temperatures, 15 bins, median of {repeats}")
    for samples, classes, claimed in SIZES:
        generator = torch.Generator().manual_seed(0)
        logits = 2 * torch.randn(samples, classes, generator=generator)
        labels = torch.multinomial((0.6 * logits).softmax(1), 1, generator=generator).squeeze(1)
        fit_temperature(logits[:100], labels[:100])
        ours, plain = [], []
        for _ in range(repeats):
            ours.append(seconds(fit_temperature, logits, labels))
            plain.append(seconds(loop_over_temperatures, logits, labels))
        chosen = {temperature for _, temperature in ours + plain}
        if len(chosen) != 1:
            raise SystemExit(f"[{samples}, {classes}]: different temperatures were chosen: {sorted(chosen)}")
        fast, slow = (statistics.median(duration for duration, _ in timings) for timings in (ours, plain))
        print(
            f"[{samples}, {classes}]  loop {slow:.3f} s  one pass {fast:.3f} s  ratio {slow / fast:.1f} "
            f"(claimed: at least {claimed:g})  both chose T = {chosen.pop()}"
        )


if __name__ == "__main__":
    main()
