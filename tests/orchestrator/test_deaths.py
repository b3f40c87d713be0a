"""Trials that kill their processes, stand still or take all memory: they end, and nobody else notices."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from results.store.running import running
from results.store.store import Store

from .conftest import Command, numbers, source_with, trained_alone, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FAULTY = """
    import ctypes
    import os
    import signal
    import time

    import torch
    from trainables.losses.brier import Brier
    from trainables.registry import register


    class Faulty(Brier):
        def on_epoch_start(self, epoch, epochs):
            if epoch == 2:
                self.fault()


    @register("crashing")
    class Crashing(Faulty):
        def fault(self):
            ctypes.string_at(0)


    @register("leaving")
    class Leaving(Faulty):
        def fault(self):
            os._exit(7)


    @register("killed")
    class Killed(Faulty):
        def fault(self):
            os.kill(os.getpid(), signal.SIGKILL)


    @register("sleeping")
    class Sleeping(Faulty):
        def fault(self):
            time.sleep(3600)


    @register("hungry")
    class Hungry(Faulty):
        def fault(self):
            taken = []
            while True:
                taken.append(torch.ones(2**27))
                time.sleep(0.1)
"""

SWEEP = """
name: deaths
seeds: [0]
training: {{epochs: {epochs}}}
blocks:
  - {{datasets: [digits], models: [small_cnn], losses: [{losses}]}}
run: {{watch: [], cpus_per_trial: 0.25, checkpoint_every: 1, stalled_minutes: 0.15}}
"""

HEALTHY = "flsc_531, adafocal"

# As `calibsweep`, with pauses after a death that do not cost a test half a minute.
IMPATIENT = """
import orchestrator.driver.queue
orchestrator.driver.queue.FIRST_PAUSE = 0.2
from orchestrator.cli import main
main()
"""


class Impatient(Command):
    """Runs sweeps with short pauses, where memory is said to be short `memory_gib` above what is used now."""

    memory_gib: float | None = None

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        if self.memory_gib is not None:
            memory = psutil.virtual_memory()
            threshold = (memory.total - memory.available + self.memory_gib * 2**30) / memory.total
            environment["RAY_memory_usage_threshold"] = str(min(threshold, 0.95))
        return environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, *arguments],
            cwd=self.source,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(psutil.Process(process.pid))
        return process


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impatient]:
    found = Impatient(source_with(tmp_path_factory.mktemp("source"), "losses", faulty=FAULTY))
    yield found
    for process in found.started:
        if process.is_running():
            for one in [*process.children(recursive=True), process]:
                one.kill()


def test_trials_that_end_their_processes_crash_and_others_are_unaffected(
    command: Impatient, tmp_path: Path
) -> None:
    sweep = tmp_path / "deaths.yaml"
    faulty = ["crashing", "leaving", "killed", "sleeping"]
    sweep.write_text(SWEEP.format(losses=", ".join([*faulty, HEALTHY]), epochs=4), encoding="utf-8")
    store = tmp_path / "store"
    run = command.start("run", str(sweep), "--store", str(store))
    beside, still = Store(str(store)), set[str]()

    def stands_still_or_is_over() -> bool:
        still.update(key for key, trial in running(beside).items() if trial.quiet_seconds)
        return bool(still) or run.poll() is not None

    wait_until(stands_still_or_is_over, "a trial stands still, or the run ends")
    output, _ = run.communicate(timeout=240)
    assert run.returncode == 1 and still, output
    assert "4 trials failed" in output and "(raylet)" not in output and "Traceback" not in output
    assert re.search(r"sleeping / seed 0: no batch for \d:\d\d", output)

    plan = command("plan", str(sweep), "--store", str(store), "--failures")
    for loss, message, last in (
        ("crashing", "SIGSEGV", "ctypes.string_at(0)"),
        ("leaving", "code 7", "os._exit(7)"),
        ("killed", "SIGKILL", ""),
        ("sleeping", "run.stalled_minutes", "time.sleep(3600)"),
    ):
        # A death that took everything on the node with it is not charged.
        told = rf"crashed \(attempt \d+\): digits / small_cnn / {loss} / seed 0: .*{re.escape(message)}"
        assert re.search(rf"{told}.*, 3 times in a row", plan), plan
        assert last in plan

    expected = trained_alone(Command(), tmp_path / "alone", 4, *((loss, 0) for loss in HEALTHY.split(", ")))
    pd.testing.assert_frame_equal(numbers(store), expected, check_exact=True)


def test_only_the_trial_that_uses_up_the_memory_fails(
    command: Impatient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "memory_gib", 5.0)
    sweep, store = tmp_path / "hungry.yaml", tmp_path / "store"
    sweep.write_text(SWEEP.format(losses=f"hungry, {HEALTHY}", epochs=40), encoding="utf-8")
    # Where much else is done, memory takes its time.
    patient = ("--set", "run.stalled_minutes=5")
    output = command("run", str(sweep), "--store", str(store), *patient, code=1)
    assert "1 trial failed" in output and "(raylet)" not in output and "Traceback" not in output
    kept = Store(str(store))
    assert set(kept.trials()["loss"]) == set(HEALTHY.split(", "))
    plan = command("plan", str(sweep), "--store", str(store), "--failures")
    assert re.search(r"out of memory \(attempt \d\): .*hungry.*[0-9.]+ GiB of a node with [0-9.]+ GiB", plan)
    for path in store.glob("failures/digits/small_cnn/*/*.parquet"):
        row = pq.read_table(path).to_pylist()[0]
        assert "hungry" in str(path) or row["failure_class"] == "preempted"
