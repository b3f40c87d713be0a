"""Times the tables of 10,000 finished trials, without `calibsweep store compact`.

    python benchmarks/tables.py [--trials 10000] [--repeats 3] [--store FOLDER]

The store is synthetic: identities of real trials with random logits and their scores, written by
`Store.commit` as a sweep's workers do, which now and then copies rows. An existing store is reused.

Timed are `calibsweep tables` and its file with all metrics (`--format md`): at first; without any copy, when
each row's file is read; later; and once `calibsweep store rescore` has made noise floors and comparisons from
the logits.

The rival is plain `pyarrow.dataset`, which reads the same one-row files into one data frame, without checks
and without tables. Each run is a new process, and its time includes the whole process. They alternate. Prints
the least time of each, and the ratio to the rival.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from results.scoring.commit import epochs_table, predictions_table, score_predictions
from results.scoring.scores import DEFAULT
from results.store.store import Store
from trainables.catalogue import LOSSES
from trainables.resolve import resolve
from trainables.tasks.classification import Predictions
from trainables.trial import Trial

CLAIMED_SECONDS = 3.0
"""For `calibsweep tables` of 10,000 trials, at the first call too."""

SAMPLES, CLASSES = 40, 10
SEEDS = 5
MADE = 23
"""Number of distinct predictions, used in turn: scoring 10,000 takes minutes, and reading is unaffected."""

RIVAL = "import sys, pyarrow.dataset as d; print(len(d.dataset(sys.argv[1]).to_table().to_pandas()))"
TABLES = "from orchestrator.cli import main; main()"


def some_trials(number: int) -> Iterator[Trial]:
    """Trials of `SEEDS` seeds, all losses without required parameters, and as many networks as necessary."""
    losses = [name for name in LOSSES.names() if name not in ("focal", "flsc", "flsd")]
    trials = (
        resolve(("digits", {"training_samples": samples}), ("mlp", {"hidden": hidden}), loss, seed)
        for hidden in itertools.count(8)
        for samples in (200, 300, 400)
        for loss in losses
        for seed in range(SEEDS)
    )
    return itertools.islice(trials, number)


def fill(store: Store, number: int) -> None:
    """Commits the missing ones of `number` trials."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (SAMPLES,), generator=generator)
    made = []
    for _ in range(MADE):
        logits = torch.randn(SAMPLES, CLASSES, generator=generator)
        part = Predictions(logits, labels, torch.arange(SAMPLES))
        table = predictions_table("classification", part, part)
        made.append((table, score_predictions(table)))
    epochs = epochs_table([{"epoch": 0, "train_loss": 1.0}])
    provenance = {"source_commit": "0" * 40, "host": "benchmark", "processor": "none", "version_torch": "0"}
    for trial, (table, scores) in zip(some_trials(number), itertools.cycle(made), strict=False):
        measured = {"training_seconds": 1.0}
        store.commit(trial, table, scores, provenance, epochs=epochs, measurements=measured)


def seconds(*command: str) -> float:
    """Wall-clock time of a whole process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--store", type=Path, help="where to make the store, and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="calibsweep-benchmark-") as temporary:
        store = Store(str(arguments.store or temporary))
        fill(store, arguments.trials)
        # Losses added since leave an older store with trials of its own.
        if (number := sum(1 for _ in store.folder.list("trials"))) != arguments.trials:
            raise SystemExit(
                f"{store.uri} has {number} trials instead of {arguments.trials}: name a new folder"
            )
        rival: list[float] = []
        tables = (TABLES, "tables", "--store", store.uri)
        first = seconds(*tables)
        of_all_metrics = (*tables, "--format", "md")

        def beside_the_rival(command: tuple[str, ...], forget: bool = False) -> float:
            times = []
            for _ in range(arguments.repeats):
                for kept in ("compacted", "rescored") if forget else ():
                    shutil.rmtree(Path(store.folder.root, kept), ignore_errors=True)
                rival.append(seconds(RIVAL, store.folder.root + "/trials"))
                times.append(seconds(*command))
            return min(times)

        found = {
            "the first tables": first,
            "tables without any copy": beside_the_rival(tables, forget=True),
            "later tables": beside_the_rival(tables),
            "the file with all metrics": beside_the_rival(of_all_metrics),
        }
        metrics = [part for name in DEFAULT for part in ("--metric", name)]
        rescoring = seconds(TABLES, "store", "rescore", "--store", store.uri, *metrics)
        found["later tables, with floors"] = beside_the_rival(tables)
        found["the file with all metrics and floors"] = beside_the_rival(of_all_metrics)
        print(f"{arguments.trials} trials")
        print(f"  pyarrow.dataset, one-row files to a data frame  {min(rival):5.2f} s")
        for name, least in found.items():
            print(f"  {name:<46}  {least:5.2f} s  {min(rival) / least:.1f} times as fast as pyarrow.dataset")
        print(f"  store rescore                                   {rescoring:5.2f} s")
        prompt = [name for name in found if name.startswith(("the first", "later"))]
        late = [name for name in prompt if found[name] > CLAIMED_SECONDS]
        if late and arguments.trials <= 10_000:
            raise SystemExit(f"claimed: {', '.join(late)} in at most {CLAIMED_SECONDS:g} s")


if __name__ == "__main__":
    main()
