"""Measures the overhead of running many trials: ours against plain Ray Tune.

    python benchmarks/orchestration.py [--trials 200 2000 10000] [--slots 64] [--seconds 5] [--repeats 1]

The trials sleep and report like real ones, on a local Ray with `--slots` simulated GPUs. Their durations
differ (fixed log-normal samples with mean `--seconds`), the longest start first, and processes are reused.
The rival is `Tuner` with a grid of the same trials in the same order, the same trainable, `reuse_actors`, no
checkpoints and no output: typical code without a store. Each case runs in its own process, one after the
other, and the cases alternate in which is first.

Prints for each: the seconds until each slot has a process, for which all trials wait; the makespan from then
on, relative to its lower bound (all work over all slots, or the longest trial); the overhead (a slot's time
per trial beyond its sleep, including reports and the wait for the next trial, but not idle slots at the very
end, which depend on how the trials happen to fit, and count in the makespan); the time from a trial's end to
the next start in its process (median, 95th percentile); the driver's peak memory. With repeats: the means,
and the standard error of the overhead.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import sem

CLAIMED_OVER_BOUND = 1.10
REPORTS = 3


def durations(number: int, mean: float) -> list[float]:
    """Seconds of each trial, the longest first."""
    drawn = np.random.default_rng(0).lognormal(0, 0.5, number)
    return sorted((drawn * mean / drawn.mean()).tolist(), reverse=True)


def folder() -> Path:
    """The folder in which a case and its trials' processes exchange files."""
    return Path(os.environ["ORCHESTRATION_FOLDER"])


def sleeping() -> type:
    """A trainable that sleeps for its trial's duration, and records when and where."""
    from ray import tune

    from orchestrator.driver.ray_trainable import for_tune
    from orchestrator.driver.reports import Done, Latest, Running

    class Sleeping(tune.Trainable):
        def setup(self, config: dict[str, Any], settings: Any) -> None:
            # A real trial loads torch under any driver.
            import torch  # noqa: F401

            self.seconds = json.loads(folder().joinpath("seconds").read_text())
            self.notes = folder() / f"{os.getpid()}.notes"
            self.notes.touch()
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.key, self.steps = new_config["key"], 0
            return True

        def step(self) -> dict[str, Any]:
            if not self.steps:
                while len(list(folder().glob("*.notes"))) < int(os.environ["SLOTS"]):
                    time.sleep(0.2)
                self.began = time.time()
            self.steps += 1
            time.sleep(self.seconds[self.key] / REPORTS)
            done = self.steps == REPORTS
            if done:
                with self.notes.open("a", encoding="utf-8") as notes:
                    notes.write(f"{self.began} {time.time()}\n")
            latest = Latest(self.steps)
            return for_tune(Done(latest) if done else Running(latest, patience_seconds=60.0), reusable=True)

    return Sleeping


def ours(number: int, scratch: Path) -> None:
    """`calibsweep`'s own driver, with the sleeping trainable."""
    from orchestrator.driver.ray_start import configure_ray
    from results.terminal import Terminal

    configure_ray()
    from orchestrator.driver import tune_driver
    from orchestrator.driver.assignment import Assignment
    from orchestrator.driver.progress import Progress
    from orchestrator.driver.stop_request import StopRequest
    from results.store.store import Store
    from sweeps.expand import load

    tune_driver.RayTrial = sleeping()  # type: ignore[misc, assignment]
    sweep = load(
        "quickstart", [f"seeds={-(-number // 26)}", "run.gpus_per_trial=1", "run.cpus_per_trial=0.01"]
    )
    trials = list(sweep.trials)[:number]
    start_ray([trial.key for trial in trials])
    with Progress(trials, 0, Terminal(file=StringIO())) as progress:
        assignment = Assignment.of(sweep, trials, Store(str(scratch / "store")), scratch)
        outcome = tune_driver.fit(assignment, progress, scratch, StopRequest())
    assert (outcome.done, outcome.failed, outcome.left) == (number, 0, 0)


def plain(number: int, scratch: Path) -> None:
    """Ray Tune as in its documentation."""
    from ray import tune

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    keys = [str(position) for position in range(number)]
    start_ray(keys)
    trainable = tune.with_parameters(sleeping(), settings=None)
    results = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([{"CPU": 0.01, "GPU": 1}])),
        param_space={"key": tune.grid_search(keys)},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(
            name="plain",
            storage_path=str(scratch),
            verbose=0,
            # Sleeping trials have nothing to save.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    assert len(results) == number and not results.errors


def start_ray(keys: list[str]) -> None:
    """Starts a Ray whose processes know each trial's duration."""
    import ray

    seconds = json.loads(folder().joinpath("durations").read_text())
    folder().joinpath("seconds").write_text(
        json.dumps(dict(zip(keys, seconds, strict=True))), encoding="utf-8"
    )
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=int(os.environ["SLOTS"]),
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )


def measured(case: str, number: int, slots: int, mean: float) -> dict[str, float]:
    seconds = durations(number, mean)
    slots = min(slots, number)
    with tempfile.TemporaryDirectory() as made:
        Path(made, "durations").write_text(json.dumps(seconds), encoding="utf-8")
        variables = {"ORCHESTRATION_FOLDER": made, "SLOTS": str(slots)}
        command = [sys.executable, __file__, "--case", case, "--trials", str(number)]
        started = time.time()
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{case} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        memory = float(Path(made, "memory").read_text(encoding="utf-8"))
        spans = [
            sorted(tuple(map(float, line.split())) for line in each.read_text(encoding="utf-8").splitlines())
            for each in Path(made).glob("*.notes")
        ]
    assert sum(map(len, spans)) == number
    first = min(span[0][0] for span in spans)
    last = max(end for span in spans for _, end in span)
    gaps = [after[0] - before[1] for span in spans for before, after in itertools.pairwise(span)]
    bound = max(sum(seconds) / slots, seconds[0])
    return {
        "start": first - started,
        "bound": bound,
        "makespan": last - first,
        "over_bound": (last - first) / bound,
        "overhead": (sum(span[-1][1] - span[0][0] for span in spans) - sum(seconds)) / number,
        "gap": float(np.median(gaps)),
        "gap_95": float(np.quantile(gaps, 0.95)),
        "memory_mib": memory / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 2000, 10_000])
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="mean of a trial")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--case", choices=("ours", "plain"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        with tempfile.TemporaryDirectory() as scratch:
            {"ours": ours, "plain": plain}[arguments.case](arguments.trials[0], Path(scratch))
        # Not to standard output, where Ray prints too.
        folder().joinpath("memory").write_text(
            str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss), encoding="utf-8"
        )
        return
    print(f"{arguments.slots} slots, trials of {arguments.seconds:g} s on average, {os.cpu_count()} cores")
    print(
        "trials  driver          start    bound  makespan  over bound  overhead/trial  gap median / 95%  "
        "driver memory"
    )
    for number in arguments.trials:
        found: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
        for turn in range(arguments.repeats):
            for case in sorted(found, reverse=bool(turn % 2)):
                found[case].append(measured(case, number, arguments.slots, arguments.seconds))
        mean = {
            case: {name: float(np.mean([one[name] for one in runs])) for name in runs[0]}
            for case, runs in found.items()
        }
        for case, name in (("ours", "calibsweep"), ("plain", "plain Ray Tune")):
            one = mean[case]
            overheads = [run["overhead"] for run in found[case]]
            error = f" ± {sem(overheads):.3f}" if arguments.repeats > 1 else ""
            print(
                f"{number:6}  {name:14} {one['start']:5.0f} s {one['bound']:6.0f} s {one['makespan']:7.1f} s "
                f"{one['over_bound']:11.2f} {one['overhead']:13.3f}{error} s "
                f"{one['gap']:9.2f} / {one['gap_95']:.2f} s {one['memory_mib']:10.0f} MiB",
                flush=True,
            )
        ratio = mean["plain"]["overhead"] / mean["ours"]["overhead"]
        within = mean["ours"]["over_bound"] <= CLAIMED_OVER_BOUND
        print(
            f"{number:6}  plain Ray Tune's overhead is {ratio:.2f} times ours (claimed: at least 1); within "
            f"{CLAIMED_OVER_BOUND - 1:.0%} of the bound: {'yes' if within else 'no'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
