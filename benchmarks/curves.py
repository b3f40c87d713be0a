"""Measures the cost of the curves after each epoch's own temperatures.

    python benchmarks/curves.py [--repeats 40]

First epochs of `small_cnn` on `digits`, with and without these curves alternately; then the curves alone, for
the sizes of the papers' data sets. CPU time of one thread, least of the repeats, so that other load on the
machine does not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from trainables.calibration.scores import after_temperatures
from trainables.resolve import resolve
from trainables.training.run import TrialRun, load_dataset

SIZES = {
    "digits": (300, 1_197, 10),
    "SST": (872, 1_821, 2),
    "20 Newsgroups": (900, 3_999, 20),
    "CIFAR-10": (5_000, 10_000, 10),
    "CIFAR-100": (5_000, 10_000, 100),
}
"""Validation samples, test samples and classes."""


def least(repeats: int, function: Callable[[], object]) -> float:
    """The least CPU time of some calls, in milliseconds."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        found.append(1e3 * (time.process_time() - start))
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=40, help="timings of each, of which the least counts")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    trial = resolve("digits", "small_cnn", "cross_entropy", 0, training={"epochs": 2 * repeats + 1})
    run = TrialRun(trial, load_dataset(trial, None, cpu), cpu)
    run.advance()
    measured, times = run.task.calibrated, {"with": float("inf"), "without": float("inf")}
    for _ in range(repeats):
        for name, curves in (("with", measured), ("without", lambda *parts: {})):
            run.task.calibrated = curves  # type: ignore[method-assign]
            times[name] = min(times[name], least(1, run.advance))
    ratio = times["with"] / times["without"]
    print(f"torch {torch.__version__}, 1 thread, least of {repeats}")
    both = f"{times['without']:.1f} ms per epoch, {times['with']:.1f} with them, ratio {ratio:.2f}"
    print(f"digits / small_cnn: {both}")
    generator = torch.Generator().manual_seed(0)
    for name, (*samples, classes) in SIZES.items():
        parts = [
            each
            for size in samples
            for each in (
                4 * torch.randn(size, classes, generator=generator),
                torch.randint(classes, (size,), generator=generator),
            )
        ]
        alone = least(min(repeats, 10), lambda parts=parts: after_temperatures(*parts))  # type: ignore[misc]
        print(
            f"{name} ({samples[0]:,} + {samples[1]:,} samples, {classes} classes): {alone:.1f} ms per epoch"
        )


if __name__ == "__main__":
    main()
