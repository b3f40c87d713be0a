"""A sweep run from a terminal elsewhere: through ray://, with the code at hand."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from results.store.store import Store

from .conftest import Command, cluster, halved, source_with, trained_alone, wait_until
from .test_faults import finish, kill, place, training
from .test_recovery import assert_as_undisturbed, checkpoints
from .test_surroundings import OURS, hostile

SWEEP = """
name: client
seeds: [0, 1, 2]
training: {epochs: 12}
blocks:
  - {datasets: [digits], models: [small_cnn], losses: [halved]}
run: {watch: [], checkpoint_every: 2, gpus_per_trial: 1, cpus_per_trial: 0.5}
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_ships_its_code_and_stops_and_recovers_as_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow"
    here = Command(source_with(tmp_path / "source", "losses", halved=halved(slow)))
    sweep, store = tmp_path / "client.yaml", tmp_path / "store"
    sweep.write_text(SWEEP, encoding="utf-8")
    expected = trained_alone(here, tmp_path / "undisturbed", 12, *(("halved", seed) for seed in range(3)))
    slow.touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("run", str(sweep), "--store", str(store), "--address", f"ray://127.0.0.1:{port}")
    # The cluster's own source has no such loss, and what lies where its nodes are started is none.
    monkeypatch.chdir(hostile(tmp_path / "nodes", OURS, ()))
    with cluster(Command(tmp_path), 2, client_port=port) as nodes:
        run = here.start(*command)
        # Stopped earlier, they could go on from their epoch 0 only, which is what a new beginning tells too.
        wait_until(lambda: len(checkpoints(store)) == len(training()) == 2, "two trials with checkpoints")
        run.send_signal(signal.SIGTERM)
        output = finish(run, code=1)
        assert "stopping: each running trial saves a checkpoint first" in output
        kept = {path.parent.name: place(path)[0] for path in checkpoints(store)}
        assert len(kept) == 2
        run = here.start(*command)
        wait_until(lambda: len(training()) == 2, "two trials that go on")
        training()[0].kill()
        slow.unlink()
        assert "; it resumes in" in finish(run)
        another = here.start(*command, "--set", "training.epochs=5000")
        wait_until(training, "a trial that trains")
        kill(nodes, nodes.head_node)
        output = finish(another, code=1)
    assert "the connection to the cluster broke\nInterrupted with 3 trials left" in output, output
    assert_as_undisturbed(store, expected)
    resumed = Store(str(store)).trials().set_index("key")["resumed_from_epoch"]
    assert all(resumed[key] >= epoch > 0 for key, epoch in kept.items())


@pytest.mark.slow
@pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "127.0.0.1:9"])
def test_nobody_there_is_one_line(calibsweep: Command, tmp_path: Path, address: str) -> None:
    output = calibsweep("run", "quickstart", "--store", str(tmp_path / "store"), "--address", address, code=2)
    assert f"calibsweep: cannot connect to a Ray cluster at {address!r}: " in output
