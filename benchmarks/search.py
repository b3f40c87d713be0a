"""Measures what a search costs per trial: ours against plain Ray Tune with OptunaSearch.

    python benchmarks/search.py [--trials 40] [--slots 4] [--seconds 2] [--spread 0 0.5] [--repeats 1]

Each trial trains a tiny network for one epoch, with a loss that sleeps, and the objective is its
validation NLL after a temperature. Both drivers search the same space with Optuna's TPE, `--slots` trials
at once, on a Ray of this machine. The rival is `Tuner` with `OptunaSearch`, the same training in a class
with `reuse_actors`, no checkpoints and no output: typical code without a store, which cannot be
continued. Ours commits logits, curves and scores of each trial, and its suggestions do not depend on
which trial ends first; so with durations that differ it may wait, and is also measured with `at_once`
twice the slots. Each case runs in its own process, one after the other, and repeats alternate in which is
first.

Durations are log-normal with mean `--seconds` and the spread as standard deviation of the logarithm, a
function of the searched value. Prints for each: the seconds until each slot has a process, for which
all trials wait; the trials per hour from then on; the overhead (a slot's time per trial beyond its sleep,
idle slots included); the seconds of the whole process.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import sem

LOSS = '''
import math
import os
import random
import time
from pathlib import Path

from torch.nn import functional

from trainables.losses.base import Loss
from trainables.registry import register


@register("sleeping")
class Sleeping(Loss):
    """Cross-entropy that sleeps once, and records when."""

    def __init__(self, gamma: float, reduction="sum"):
        super().__init__(reduction)
        spread = float(os.environ["SEARCH_SPREAD"])
        drawn = random.Random(f"{gamma:.4g}").lognormvariate(-spread**2 / 2, spread)
        self.seconds = float(os.environ["SEARCH_SECONDS"]) * drawn

    def per_sample(self, logits, labels):
        # Other batches are those with which a worker compares the code of machines.
        if self.seconds and len(labels) == 75:
            folder = Path(os.environ["SEARCH_FOLDER"])
            with (folder / f"{os.getpid()}.notes").open("a") as notes:
                while len(list(folder.glob("*.notes"))) < int(os.environ["SEARCH_SLOTS"]):
                    time.sleep(0.05)
                began, self.seconds = time.time(), time.sleep(self.seconds)
                notes.write(f"{began} {time.time()}\\n")
        return functional.cross_entropy(logits, labels, reduction="none")
'''

FILE = """
name: sleeping
plugins: [sleeping.py]
dataset: {digits: {training_samples: 75, validation_samples: 60}}
model: {mlp: {hidden: 12}}
losses: [{sleeping: {gamma: {low: 0, high: 5}}}]
training: {epochs: 1, milestones: [], batch_size: 75, learning_rate: {low: 0.01, high: 0.3, log: true}}
trials: TRIALS
at_once: AT_ONCE
run: {cpus_per_trial: CPUS, watch: []}
"""


def ours(folder: Path) -> None:
    """`calibsweep search`."""
    from orchestrator.driver.ray_start import configure_ray

    configure_ray()
    from orchestrator.use_cases.search import search

    found = search(folder / "search.yaml", str(folder / "store"), folder / "best.yaml")
    assert found.done == found.trials, found


def plain(folder: Path, trials: int, slots: int) -> None:
    """Ray Tune with OptunaSearch as in its documentation."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

    class Training(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            from sweeps.search import load

            self.search = load(folder / "search.yaml")
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.values = new_config
            return True

        def step(self) -> dict[str, Any]:
            import torch

            from trainables.training.run import run_trial

            trial = self.search.trial("sleeping", self.values)
            result = run_trial(trial, device=torch.device("cpu"))
            return {"score": result.epochs[-1]["validation_nll_after_nll"], "done": True}

    ray.init(
        address="local",
        num_cpus=os.cpu_count(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    space = {"sleeping.gamma": tune.uniform(0, 5), "training.learning_rate": tune.loguniform(0.01, 0.3)}
    results = tune.Tuner(
        tune.with_resources(Training, {"CPU": (os.cpu_count() or 1) / slots}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True)),
            metric="score",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=slots,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="plain",
            storage_path=str(folder / "tune"),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    assert len(results) == trials and not results.errors


def measured(
    case: str, at_once: int, trials: int, slots: int, seconds: float, spread: float
) -> dict[str, float]:
    """The numbers of one run in a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        text = FILE.replace("TRIALS", str(trials)).replace("AT_ONCE", str(at_once))
        text = text.replace("CPUS", f"{(os.cpu_count() or 1) / slots:g}")
        (folder / "search.yaml").write_text(text, encoding="utf-8")
        (folder / "sleeping.py").write_text(LOSS, encoding="utf-8")
        environment = {
            **os.environ,
            "SEARCH_FOLDER": made,
            "SEARCH_SECONDS": str(seconds),
            "SEARCH_SPREAD": str(spread),
            "SEARCH_SLOTS": str(slots),
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, __file__, "--case", case, "--folder", made]
        command += ["--trials", str(trials), "--slots", str(slots)]
        started = time.time()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        whole = time.time() - started
        if done.returncode:
            sys.exit(f"{case} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        lines = [line for each in folder.glob("*.notes") for line in each.read_text("utf-8").splitlines()]
    sleeps = [tuple(map(float, line.split())) for line in lines]
    assert len(sleeps) == trials, (case, len(sleeps))
    first, last = min(began for began, _ in sleeps), max(end for _, end in sleeps)
    slept = sum(end - began for began, end in sleeps)
    return {
        "start": first - started,
        "per_hour": 3600 * trials / (last - first),
        "overhead": (slots * (last - first) - slept) / trials,
        "whole": whole,
    }


def compare(spread: float, arguments: argparse.Namespace) -> None:
    """Measures all cases with one spread of durations, and prints a line for each."""
    slots = arguments.slots
    cases: Sequence[tuple[str, int]] = [("plain", slots), ("ours", slots)]
    if spread:
        cases = [*cases, ("ours", 2 * slots)]
    found: dict[tuple[str, int], list[dict[str, float]]] = {case: [] for case in cases}
    for turn in range(arguments.repeats):
        for case in cases[:: -1 if turn % 2 else 1]:
            found[case].append(measured(*case, arguments.trials, slots, arguments.seconds, spread))
    mean = {
        case: {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        for case, runs in found.items()
    }
    for (driver, at_once), one in mean.items():
        overheads = [run["overhead"] for run in found[driver, at_once]]
        error = f" ± {sem(overheads):.2f}" if arguments.repeats > 1 else ""
        name = "plain Ray Tune" if driver == "plain" else f"calibsweep, at_once {at_once}"
        print(
            f"{spread:6.2f}  {name:22} {one['start']:5.1f} s {one['per_hour']:12,.0f} "
            f"{one['overhead']:14.2f}{error} s {one['whole']:7.1f} s",
            flush=True,
        )
    ratio = mean["plain", slots]["overhead"] / mean["ours", slots]["overhead"]
    print(f"{spread:6.2f}  plain Ray Tune's overhead is {ratio:.2f} times ours", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0, help="mean of a trial's sleep")
    parser.add_argument("--spread", type=float, nargs="+", default=[0.0, 0.5])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--case", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case == "ours":
        ours(arguments.folder)
    elif arguments.case == "plain":
        plain(arguments.folder, arguments.trials, arguments.slots)
    else:
        print(
            f"{arguments.trials} trials, {arguments.slots} slots, sleeps of {arguments.seconds:g} s on "
            f"average, {os.cpu_count()} cores"
        )
        print("spread  driver                  start  trials/hour  overhead/trial    whole")
        for spread in arguments.spread:
            compare(spread, arguments)


if __name__ == "__main__":
    main()
