"""What may happen to a cluster in a weekend, done for real on nodes of this machine with pretended GPUs.

After each every trial of the sweep is done, with the numbers of an undisturbed run, or recorded as failed.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from ray.cluster_utils import Cluster

from results.store.store import Store

from .conftest import Command, cluster, is_training, printed, source_with, wait_until
from .test_recovery import assert_as_undisturbed, checkpoints, commits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = """
name: faults
seeds: [0, 1]
training: {epochs: 60}
blocks:
  - {datasets: [digits], models: [small_cnn], losses: [adafocal, flsc_531]}
run: {watch: [], checkpoint_every: 5, gpus_per_trial: 1, cpus_per_trial: 0.5}
"""

# Each goes wrong in its own way, some batches into its training.
FAULTY = """
    import time

    import torch
    from trainables.models.small_cnn import SmallCNN
    from trainables.registry import register


    class Faulty(SmallCNN):
        batches = 0

        def forward(self, images):
            self.batches += 1
            logits = super().forward(images)
            return self.fault(logits) if self.batches > 8 else logits


    @register("raising", spec={"input": "image"})
    class Raising(Faulty):
        def fault(self, logits):
            raise ValueError("a plug-in's mistake")


    @register("hanging", spec={"input": "image"})
    class Hanging(Faulty):
        def fault(self, logits):
            time.sleep(3600)
            return logits


    @register("hungry", spec={"input": "image"})
    class Hungry(Faulty):
        def fault(self, logits):
            return logits + torch.empty(2**50)[0]


    @register("diverging", spec={"input": "image"})
    class Diverging(Faulty):
        def fault(self, logits):
            return logits * float("nan")
"""

FAULTS = """
name: own-faults
seeds: [0]
training: {epochs: 6}
blocks:
  - {datasets: [digits], models: [raising, hanging, hungry, diverging, small_cnn], losses: [brier]}
run: {watch: [], gpus_per_trial: 1, cpus_per_trial: 0.5, hours_per_trial: 0.006}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "faults.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


@pytest.fixture
def nodes(calibsweep: Command) -> Iterator[Cluster]:
    """A head without GPUs, and two nodes with one each."""
    with cluster(calibsweep, 0, 1, 1) as found:
        yield found


def start(calibsweep: Command, sweep: Path, store: Path, nodes: Cluster, *more: str) -> subprocess.Popen[str]:
    return calibsweep.start("run", str(sweep), "--store", str(store), "--address", nodes.address, *more)


def finish(run: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = run.communicate(timeout=240)
    assert run.returncode == code, output
    return output


def training(node: Any = None) -> list[psutil.Process]:
    """The processes that train a trial at this moment: on a node, or on any."""
    root = psutil.Process(node.all_processes["raylet"][0].process.pid) if node else psutil.Process()
    found = []
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if is_training(process):
                found.append(process)
    return found


def place(path: Path) -> tuple[int, int]:
    """Epochs and batches of a checkpoint."""
    epoch, batch = path.name.partition("-")[0].split(".")
    return int(epoch), int(batch)


def going(store: Path) -> dict[str, int]:
    """The trials that have a while to go, with the epochs of their checkpoints."""
    found = {path.parent.name: place(path)[0] for path in checkpoints(store)}
    return {key: epoch for key, epoch in found.items() if epoch < 40}


def both_under_way(store: Path) -> Callable[[], bool]:
    """A trial is done, and two others have checkpoints and a while to go."""

    def found() -> bool:
        return bool(commits(store)) and len(going(store)) == 2 and len(training()) == 2

    return found


def kill(nodes: Cluster, *ended: Any) -> None:
    """Ends nodes with all that runs on them, in the same moment."""
    for node in ended:
        with contextlib.suppress(psutil.NoSuchProcess):
            raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
            for process in (raylet, *raylet.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
    for node in ended:
        nodes.remove_node(node, allow_graceful=False)


def drain(nodes: Cluster, node: Any, seconds: int) -> None:
    """The notice that a cloud gives before it takes a spot machine away."""
    subprocess.run(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", nodes.address),
            *("--node-id", node.node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"),
            *("--reason-message", "spot", "--deadline-remaining-seconds", str(seconds)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )


def restart(nodes: Cluster, number: int) -> None:
    for _ in range(number):
        nodes.add_node(num_cpus=1, num_gpus=1, include_dashboard=False)


def test_nodes_that_die_and_are_replaced(
    calibsweep: Command, nodes: Cluster, sweep: Path, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    run = start(calibsweep, sweep, tmp_path, nodes)
    wait_until(both_under_way(tmp_path), "two trials with checkpoints")
    before, under_way = commits(tmp_path), going(tmp_path)
    kill(nodes, *list(nodes.worker_nodes))
    restart(nodes, 2)
    output = finish(run)
    assert output.count("its node died; it resumes in") == 2, output
    after = commits(tmp_path)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(tmp_path, undisturbed)
    resumed = Store(str(tmp_path)).trials().set_index("key")["resumed_from_epoch"]
    gone_on = resumed[resumed > 0]
    # They lost at most what came after their last checkpoint; no other noticed anything.
    assert set(gone_on.index) == set(under_way)
    assert all(epoch >= under_way[key] for key, epoch in gone_on.items())
    assert "4 done" in printed("plan", str(sweep), "--store", str(tmp_path))


def test_a_driver_and_a_head_that_die_with_everything(
    calibsweep: Command, sweep: Path, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    with cluster(calibsweep, 0, 1, 1) as first:
        run = start(calibsweep, sweep, tmp_path, first)
        wait_until(both_under_way(tmp_path), "two trials with checkpoints")
        run.kill()
        run.wait()
        kill(first, first.head_node)
    before = commits(tmp_path)
    assert 0 < len(before) < len(undisturbed)
    with cluster(calibsweep, 0, 1, 1) as second:
        finish(start(calibsweep, sweep, tmp_path, second))
    after = commits(tmp_path)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(tmp_path, undisturbed)
    assert (Store(str(tmp_path)).trials()["resumed_from_epoch"] > 0).any()


def test_a_node_that_is_drained_keeps_a_checkpoint_first(
    calibsweep: Command, nodes: Cluster, sweep: Path, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    # Without the notice there would be none.
    run = start(calibsweep, sweep, tmp_path, nodes, "--set", "run.checkpoint_every=1000")
    wait_until(lambda: len(training()) == 2, "two trials that train")
    node = next(iter(nodes.worker_nodes))
    drain(nodes, node, seconds=20)
    wait_until(lambda: checkpoints(tmp_path), "a checkpoint")
    (kept,) = checkpoints(tmp_path)
    key = kept.parent.name
    kill(nodes, node)
    restart(nodes, 1)
    finish(run)
    assert_as_undisturbed(tmp_path, undisturbed)
    resumed = Store(str(tmp_path)).trials().set_index("key")["resumed_from_epoch"]
    assert resumed[key] == place(kept)[0]
    assert (resumed.drop(key) == 0).all()


def test_a_trial_s_own_fault_is_recorded_and_the_others_never_notice(tmp_path: Path) -> None:
    command = Command(source_with(tmp_path / "source", faulty=FAULTY))
    sweep = tmp_path / "own-faults.yaml"
    sweep.write_text(FAULTS, encoding="utf-8")
    store = tmp_path / "store"
    with cluster(command, 1, 1) as nodes:
        output = finish(start(command, sweep, store, nodes), code=1)
        assert "4 trials failed" in output
        kept = Store(str(store))
        frame = kept.trials()
        assert list(frame["model"]) == ["small_cnn"]
        plan = command("plan", str(sweep), "--store", str(store), "--failures")
        for model, kind, message in (
            ("raising", "bug", "ValueError"),
            ("hanging", "timed out", ".*run.hours_per_trial"),
            ("hungry", "out of memory", "RuntimeError"),
            ("diverging", "diverged", "TrialDiverged"),
        ):
            assert re.search(rf"{kind} \(attempt 1\): digits / {model} / brier / seed 0: {message}", plan)
        # Where it hung can be read.
        assert "time.sleep(3600)" in plan
