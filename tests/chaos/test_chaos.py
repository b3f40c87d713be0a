"""Kills at random, drawn from a seed, and then the whole store against that of an undisturbed run.

    make chaos SECONDS=600 SEED=7

Without them: twelve seconds, with the seed 32. The acts are printed, for whoever must find a fault.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from results.store.store import Store

from ..orchestrator.conftest import Command, cluster, printed, trained_alone
from ..orchestrator.test_faults import drain, kill, restart, training
from ..orchestrator.test_recovery import assert_as_undisturbed

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
# By which a node, a worker and both nodes are killed in so short a time.
SEED = int(os.environ.get("CHAOS_SEED", "32"))

LOSSES = ("adafocal", "flsc_531")
SEEDS = max(2, int(SECONDS / 8))
"""A trial takes some seconds, and two run at once: more than there is time for."""

SWEEP = f"""
name: chaos
seeds: {SEEDS}
training: {{epochs: 60}}
blocks:
  - {{datasets: [digits], models: [small_cnn], losses: [{", ".join(LOSSES)}]}}
run: {{watch: [], checkpoint_every: 7, gpus_per_trial: 1, cpus_per_trial: 0.5}}
"""


class Chaos:
    """A sweep under way on a cluster, and what can be done to both."""

    def __init__(self, start: Callable[[], subprocess.Popen[str]], nodes: Cluster, chance: random.Random):
        self.start, self.nodes, self.chance = start, nodes, chance
        self.run = start()
        self.done: list[str] = []

    def worker_killed(self) -> None:
        for process in self.chance.sample(found := training(), min(1, len(found))):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def node_killed(self) -> None:
        kill(self.nodes, self.chance.choice(sorted(self.nodes.worker_nodes, key=lambda node: node.node_id)))
        restart(self.nodes, 1)

    def both_nodes_killed(self) -> None:
        kill(self.nodes, *self.nodes.worker_nodes)
        restart(self.nodes, 2)

    def node_drained(self) -> None:
        node = self.chance.choice(sorted(self.nodes.worker_nodes, key=lambda node: node.node_id))
        drain(self.nodes, node, seconds=10)
        time.sleep(self.chance.uniform(0, 5))
        kill(self.nodes, node)
        restart(self.nodes, 1)

    def driver_killed(self) -> None:
        self.run.kill()

    def driver_stopped(self) -> None:
        self.run.send_signal(self.chance.choice([signal.SIGTERM, signal.SIGINT]))

    def nothing(self) -> None:
        pass

    def go_on(self) -> None:
        """Does something, and sees to it that a driver runs."""
        time.sleep(self.chance.uniform(0, 6))
        act = self.chance.choice(
            [
                *(self.worker_killed, self.node_killed, self.both_nodes_killed, self.node_drained),
                *(self.driver_killed, self.driver_stopped, self.nothing),
            ]
        )
        self.done.append(act.__name__)
        print(f"{time.strftime('%X')} {act.__name__}", flush=True)  # noqa: T201
        act()
        if act in (self.driver_killed, self.driver_stopped) or self.run.poll() is not None:
            output, _ = self.run.communicate(timeout=240)
            # Done before its time, interrupted, or killed.
            ends = {0, 1, -signal.SIGKILL}
            if "trials, " not in output:
                # It had not come as far as its first line, from which on it listens to signals.
                ends |= {-signal.SIGTERM, 128 + signal.SIGINT}
            elif "starting the first processes" not in output:
                # For a moment of its start, Ray's core has SIGTERM for itself.
                ends |= {-signal.SIGABRT}
            assert self.run.returncode in ends, output
            self.run = self.start()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 10 + 1200)
def test_kills_at_random_lose_nothing(calibsweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "chaos.yaml"
    sweep.write_text(SWEEP, encoding="utf-8")
    store = tmp_path / "store"
    trials = [(loss, seed) for loss in LOSSES for seed in range(SEEDS)]
    expected = trained_alone(calibsweep, tmp_path / "undisturbed", 60, *trials)

    with cluster(calibsweep, 0, 1, 1) as nodes:
        where = ("--store", str(store), "--address", nodes.address)
        chaos = Chaos(lambda: calibsweep.start("run", str(sweep), *where), nodes, random.Random(SEED))
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            chaos.go_on()
        output, _ = chaos.run.communicate(timeout=SECONDS * 5 + 300)
        assert chaos.run.returncode == 0, output
    assert len(set(chaos.done)) >= 3, "too short a time to have done anything"
    assert_as_undisturbed(store, expected)
    frame = Store(str(store)).trials()
    assert frame["key"].is_unique and not frame.attrs["damaged"]
    assert not list(store.glob("damaged/**/*"))
    # Of a driver that was killed, the list of what it had running stays until it is too old to be believed.
    assert len(list(store.glob("running/*"))) <= chaos.done.count("driver_killed")
    assert ", 0 differ or are damaged" in printed("store", "verify", "--store", str(store))
