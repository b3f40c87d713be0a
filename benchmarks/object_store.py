"""Times commands on a finished sweep in a bucket with high latency.

    python benchmarks/object_store.py [--trials 200] [--late 0.2] [--repeats 3]

The bucket is on a local S3 server (moto), behind a proxy that delays every response by `--late` seconds. The
sweep is synthetic: identities of real trials with random logits and their scores, written by `Store.commit`
as workers do. It ends with a `run`, as a sweep does: this prints the tables, and copies rows and evidence.

The baseline is a plain loop that reads the row of each trial in turn on one connection, and ignores it.
Each command runs in a new process, and its time includes the whole process. Prints the least time of each,
its number of requests, and the ratio to the loop.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from obstore.store import S3Store

from results.scoring.commit import epochs_table, predictions_table, score_predictions
from results.store.address import Address
from results.store.store import Store
from sweeps.expand import load
from trainables.tasks.classification import Predictions
from trainables.trial import Trial

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from s3_proxy import CREDENTIALS, Proxy, moto_server, proxy_before

CLAIMED_SECONDS = {"plan": 5.0, "run": 5.0, "tables": 3.0, "store verify": 15.0}
"""For 200 trials at 0.2 s."""

SAMPLES, CLASSES = 40, 10
LOSSES = ("cross_entropy", "brier", "mmce", "label_smoothing", "focal_1", "focal_2", "focal_3", "flsd_53")

SWEEP = """
name: late
protocol: mukhoti2020
seeds: [{seeds}]
blocks: [{{datasets: [digits], models: [mlp], losses: [{losses}]}}]
"""

COMMAND = "from orchestrator.cli import main; main()"


def fill(store: Store, trials: tuple[Trial, ...] | list[Trial]) -> None:
    """Commits synthetic results of all trials."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (SAMPLES,), generator=generator)
    part = Predictions(torch.randn(SAMPLES, CLASSES, generator=generator), labels, torch.arange(SAMPLES))
    table = predictions_table("classification", part, part)
    scores, epochs = score_predictions(table), epochs_table([{"epoch": 0, "train_loss": 1.0}])
    provenance = {"source_commit": "0" * 40, "host": "benchmark", "processor": "none", "version_torch": "0"}
    for trial in trials:
        measured = {"training_seconds": 1.0}
        store.commit(trial, table, scores, provenance, epochs=epochs, measurements=measured)


def one_after_the_other(s3: Proxy, trials: tuple[Trial, ...] | list[Trial]) -> float:
    server = S3Store(s3.bucket, endpoint=f"http://127.0.0.1:{s3.port}", client_options={"allow_http": True})
    start = time.perf_counter()
    for trial in trials:
        assert server.get(f"store/{Address.of(trial).path('trials')}").bytes()
    return time.perf_counter() - start


def seconds(*arguments: str) -> float:
    """Wall-clock time of a whole command."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True)
    # `store verify` returns 1 for these scores, which no release has computed in this way.
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--late", type=float, default=0.2, help="seconds that each answer is late")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with (
        tempfile.TemporaryDirectory(prefix="calibsweep-benchmark-") as temporary,
        moto_server() as server,
        proxy_before(server) as s3,
    ):
        file = Path(temporary) / "late.yaml"
        seeds = ", ".join(map(str, range(-(-arguments.trials // len(LOSSES)))))
        file.write_text(SWEEP.format(seeds=seeds, losses=", ".join(LOSSES)), encoding="utf-8")
        trials = load(file).trials
        uri = s3.uri("store")
        fill(Store(uri), trials)
        s3.delay(arguments.late)
        loop = min(one_after_the_other(s3, trials) for _ in range(arguments.repeats))
        print(f"{len(trials)} trials, answers {arguments.late:g} s late")
        print(f"  {'one GET of a row after the other':<34} {loop:6.2f} s  {len(trials):4} requests")
        s3.requests.clear()
        print(f"  {'the first run':<34} {seconds('run', str(file), '--store', uri):6.2f} s  ", end="")
        print(f"{len(s3.requests):4} requests", flush=True)
        slow = []
        for name, claimed in CLAIMED_SECONDS.items():
            sweep = [] if name.startswith("store") else [str(file)]
            times = []
            for _ in range(arguments.repeats):
                s3.requests.clear()
                times.append(seconds(*name.split(), *sweep, "--store", uri))
            result = f"{min(times):6.2f} s  {len(s3.requests):4} requests"
            print(f"  {name:<34} {result}  {loop / min(times):.1f} times as fast as the loop", flush=True)
            if min(times) > claimed and len(trials) <= 200 and arguments.late <= 0.2:
                slow.append(f"{name} in {claimed:g} s")
        if slow:
            raise SystemExit(f"claimed: {', '.join(slow)}")


if __name__ == "__main__":
    main()
