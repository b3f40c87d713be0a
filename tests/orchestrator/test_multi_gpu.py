"""Trials of several GPUs, on a Ray of our own whose GPUs are pretended: workers train on CPUs with gloo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch

from results.store.address import Address
from results.store.store import Store
from trainables.resolve import resolve
from trainables.training.run import run_trial

from .conftest import Command, cluster, source_with, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = """\
name: shared
seeds: [0]
training: {epochs: 30}
blocks:
  - {datasets: [digits], models: [small_cnn], losses: [adafocal], gpus: 2}
  - {datasets: [digits], models: [mlp], losses: [mmce], gpus: 0.25}
  - {datasets: [digits], models: [mlp], losses: [brier]}
run: {watch: [], checkpoint_every: 3, cpus_per_trial: 0.5, gpus_per_trial: 1}
"""

# Fails on one worker alone, while the other waits for it.
FAULTY = """
import torch
from trainables.models.small_cnn import SmallCNN
from trainables.registry import register

@register("faulty", spec={"input": "image"})
class Faulty(SmallCNN):
    '''Runs out of memory in its eighth batch, on the second worker.'''

    batches = 0

    def forward(self, images):
        self.batches += 1
        if self.batches == 8 and torch.distributed.is_initialized() and torch.distributed.get_rank() == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().forward(images)
"""


@dataclass
class Pretended:
    """Two nodes of two GPUs and of one."""

    command: Command
    address: str

    def run(self, sweep: Path | str, store: Path, *more: str, code: int = 0) -> str:
        return self.command(
            "run", str(sweep), "--store", str(store), "--address", self.address, *more, code=code
        )


def actors(method: str) -> list[psutil.Process]:
    """Processes of the cluster, which this process started, that are in an actor's method at this moment."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if method in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def pretended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretended]:
    source = source_with(tmp_path_factory.mktemp("source") / "source", faulty=FAULTY)
    command = Command(source)
    try:
        with cluster(command, 2, 1) as nodes:
            yield Pretended(command, nodes.address)
    finally:
        for process in command.started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "shared.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(pretended: Pretended, sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    pretended.run(sweep, folder)
    return Store(str(folder))


def row(store: Store, model: str, loss: str) -> pd.Series:
    frame = store.trials()
    (found,) = frame[(frame["model"] == model) & (frame["loss"] == loss)].to_dict("records")
    return pd.Series(found)


def test_trials_of_several_gpus_run_beside_others(undisturbed: Store) -> None:
    frame = undisturbed.trials()
    assert len(frame) == 3
    shared = row(undisturbed, "small_cnn", "adafocal")
    assert shared["gpus"] == 2 and row(undisturbed, "mlp", "mmce")["gpus"] == 0.25
    assert row(undisturbed, "mlp", "brier")["gpus"] == 1
    assert (frame["peak_memory_gib"] > 0).all() and (frame["resumed_from_epoch"] == 0).all()


def test_the_result_is_that_of_one_worker(undisturbed: Store) -> None:
    torch.set_num_threads(1)
    shared = row(undisturbed, "small_cnn", "adafocal")
    trial = resolve("digits", "small_cnn", "adafocal", 0, training={"epochs": 30})
    assert trial.key == shared["key"]
    alone = run_trial(trial, device=torch.device("cpu"))
    told = undisturbed.epochs(Address.of(trial)).to_pandas()
    for epoch in (0, 1, 4, 9):
        for name in ("train_loss", "gradient_norm", "validation_nll", "test_ece", "feature_norm"):
            assert told[name][epoch] == pytest.approx(alone.epochs[epoch][name], rel=0.01), (epoch, name)
    # Rounding alone makes later epochs differ.
    assert shared["test_error"] == pytest.approx(alone.epochs[-1]["test_error"], abs=0.03)


def test_a_killed_worker_brings_the_whole_trial_back_from_its_checkpoint(
    pretended: Pretended, sweep: Path, undisturbed: Store, tmp_path: Path
) -> None:
    expected = row(undisturbed, "small_cnn", "adafocal")
    folder = tmp_path / "checkpoints" / expected["key"]
    run = pretended.command.start("run", str(sweep), "--store", str(tmp_path), "--address", pretended.address)
    for victim in ("Member.finish", "Member.step", "Trainable.train"):
        seen = set(folder.glob("*.pt"))
        wait_until(
            lambda seen=seen, victim=victim: set(folder.glob("*.pt")) - seen and actors(victim),
            f"another checkpoint, and {victim}",
        )
        before = actors("Member.")
        for process in actors(victim):
            process.kill()
        # None of the trial's workers goes on without the others.
        _, alive = psutil.wait_procs(before, timeout=120)
        assert not alive
    output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    again = row(Store(str(tmp_path)), "small_cnn", "adafocal")
    assert again["resumed_from_epoch"] >= 9
    for name in ("predictions_digest", "epochs_digest"):
        assert again[name] == expected[name]
    assert not list(folder.glob("*.pt"))


def test_one_worker_s_failure_is_the_trial_s(pretended: Pretended, sweep: Path, tmp_path: Path) -> None:
    lines = SWEEP.replace("[small_cnn]", "[faulty]").splitlines(keepends=True)
    text = "".join(line for line in lines if "mmce" not in line)
    (tmp_path / "faulty.yaml").write_text(text, encoding="utf-8")
    output = pretended.run(tmp_path / "faulty.yaml", tmp_path / "store", code=1)
    assert "1 trial failed" in output
    store = Store(str(tmp_path / "store"))
    assert len(store.trials()) == 1
    told = pretended.command(
        "plan", str(tmp_path / "faulty.yaml"), "--store", str(tmp_path / "store"), "--failures"
    )
    assert told.count("out of memory (attempt 1)") == 1 and "Tried to allocate 2.00 GiB" in told
    assert not actors("Member.")


def test_what_can_never_be_placed_is_refused_at_once(
    pretended: Pretended, sweep: Path, tmp_path: Path
) -> None:
    output = pretended.run(sweep, tmp_path, "--set", "run.gpus_per_trial=4", code=2)
    (line,) = (line for line in output.splitlines() if line.startswith("calibsweep: "))
    assert line == (
        "calibsweep: digits / small_cnn / adafocal needs 4 GPUs with 0.5 CPU cores each, but Ray has "
        "only 3 GPUs and 3 CPU cores on 2 nodes, the largest with 2 GPUs and 2 CPU cores."
    )
    assert not list(tmp_path.rglob("*.parquet"))


def test_everything_is_free_again(pretended: Pretended, undisturbed: Store) -> None:
    import ray

    ray.init(address=pretended.address, log_to_driver=False)
    try:
        total = ray.cluster_resources()
        wait_until(
            lambda: all(ray.available_resources().get(name, 0) == total[name] for name in ("CPU", "GPU")),
            "free CPUs and GPUs",
        )
        assert total["GPU"] == 3
    finally:
        ray.shutdown()


def test_this_machine_is_asked_too(
    calibsweep: Command, sweep_file: Callable[..., str], tmp_path: Path
) -> None:
    text = SWEEP.replace("gpus: 2", "gpus: 100")
    output = calibsweep("run", sweep_file(text), "--store", str(tmp_path / "store"), code=2)
    assert "digits / small_cnn / adafocal needs 100 GPUs with 0.5 CPU cores each, but Ray has" in output
