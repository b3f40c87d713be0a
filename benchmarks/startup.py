"""Times commands to the end of their first epoch, against Ray and torch alone, and a plan of 10,000 trials.

    python benchmarks/startup.py [--repeats 3]

Compares a sweep of one trial of one epoch with a program that starts plain Ray, loads Tune and loads torch in
a worker; `calibsweep trial` of one epoch with a program that loads torch; a plan of 10,000 trials with 8,000
distinct losses with a plan of one trial. They alternate; the fastest run counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = """
name: one
seeds: [0]
training: {epochs: 1}
blocks: [{datasets: [digits], models: [mlp], losses: [brier]}]
"""

MANY = """
name: many
seeds: [0]
blocks:
  - datasets: [digits]
    models: [mlp]
    losses: [{focal: {gamma: [GAMMAS]}}]
  - {datasets: [digits], models: [small_cnn], losses: [brier], seeds: 2000}
""".replace("GAMMAS", ", ".join(f"{gamma / 1000:g}" for gamma in range(8000)))

PLAIN_RAY = """
import ray
from ray import tune

ray.init("local", include_dashboard=False)
ray.get(ray.remote(lambda: __import__("torch").__version__).remote())
ray.shutdown()
"""


def seconds(*arguments: str) -> float:
    """Wall-clock time of a whole Python process."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        sweep, many, empty = (Path(folder) / name for name in ("one.yaml", "many.yaml", "empty"))
        sweep.write_text(SWEEP, encoding="utf-8")
        many.write_text(MANY, encoding="utf-8")
        empty.mkdir()
        plan = ("plan", "--store", str(empty))
        cell = ("--dataset", "digits", "--model", "mlp", "--loss", "brier", "--set", "training.epochs=1")
        for name, plain, ours in (
            ("a sweep of one epoch", ("-c", PLAIN_RAY), ("run", str(sweep))),
            ("calibsweep trial, one epoch", ("-c", "import torch"), ("trial", *cell)),
            ("a plan of 10,000 trials", ("-m", "orchestrator", *plan, str(sweep)), (*plan, str(many))),
        ):
            times = []
            for repeat in range(repeats):
                store = ("--store", str(Path(folder) / f"store-{repeat}")) if ours[0] == "run" else ()
                times.append((seconds(*plain), seconds("-m", "orchestrator", *ours, *store)))
            least, taken = (min(each) for each in zip(*times, strict=True))
            print(f"{name}: {taken:.1f} s, {taken / least:.2f} times the {least:.1f} s of what it rests on")


if __name__ == "__main__":
    main()
