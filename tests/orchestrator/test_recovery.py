"""Kills, done for real: the same command again then makes the store of an undisturbed run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from orchestrator.api import trial
from results.store import rows
from results.store.store import Store
from sweeps.expand import load

from .conftest import Command, family, numbers, printed, wait_until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = """
    name: kills
    seeds: [0, 1]
    training: {epochs: 60}
    blocks:
      - datasets: [digits]
        models: [small_cnn]
        losses: [flsc_531, adafocal]
    run: {watch: [], checkpoint_every: 3}
"""


def commits(store: Path) -> dict[str, tuple[int, int]]:
    """Each committed row with its inode and time: a trial that ran again would have changed them."""
    rows = (store / "trials").rglob("*.parquet")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in rows}


@pytest.fixture
def sweep(sweep_file: Callable[..., str]) -> str:
    return sweep_file(SWEEP, "kills.yaml")


def checkpoints(store: Path) -> set[Path]:
    return set((store / "checkpoints").glob("*/*.pt"))


def assert_as_undisturbed(store: Path, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(numbers(store), expected, check_exact=True)
    assert not checkpoints(store)
    for kind in ("predictions", "epochs", "trials"):
        assert len(list((store / kind).rglob("*.parquet"))) == len(expected)


def test_killed_workers_and_everything_killed_at_once_lose_nothing(
    calibsweep: Command, sweep: str, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    run = calibsweep.start("run", sweep, "--store", str(store))
    wait_until(lambda: checkpoints(store) and workers(run), "a worker with a checkpoint")
    for _ in range(2):
        seen = checkpoints(store)
        for worker in workers(run):
            worker.kill()
        wait_until(lambda seen=seen: checkpoints(store) - seen and workers(run), "a new checkpoint")
    for process in family(run):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    run.wait()
    before = commits(store)
    output = calibsweep("run", sweep, "--store", str(store))
    assert f"{len(before)} done before" in output
    after = commits(store)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(store, undisturbed)
    assert (Store(str(store)).trials()["resumed_from_epoch"] > 0).any()


def test_a_killed_driver_loses_nothing_and_two_that_go_on_do_no_harm(
    calibsweep: Command, sweep: str, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    run = calibsweep.start("run", sweep, "--store", str(store))

    def early() -> set[Path]:
        # Workers outlive their driver by a moment, in which a trial that is nearly done would end.
        return {path for path in checkpoints(store) if int(path.name[:6]) < 15}

    wait_until(lambda: commits(store) and early(), "a finished trial and one that has just begun")
    training = workers(run)
    run.kill()
    run.wait()
    # The driver's own Ray goes with it: nothing trains on unseen.
    _, alive = psutil.wait_procs(training, timeout=60)
    assert not alive
    before = commits(store)
    assert 0 < len(before) < len(load(sweep).trials)
    drivers = [calibsweep.start("run", sweep, "--store", str(store)) for _ in range(2)]
    for driver in drivers:
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    after = commits(store)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(store, undisturbed)
    assert (Store(str(store)).trials()["resumed_from_epoch"] > 0).any()


def test_only_what_is_new_runs_and_damage_is_made_again(
    calibsweep: Command, tmp_path: Path, sweep_file: Callable[..., str]
) -> None:
    small = """
        name: growing
        seeds: {seeds}
        training: {{epochs: 4}}
        blocks:
          - datasets: [digits]
            models: {models}
            losses: {losses}
    """
    store = tmp_path / "store"
    # The trial of another command.
    trial("digits", "mlp", "brier", overrides=["training.epochs=4"], store=str(store))
    grown = sweep_file(small.format(seeds="[0, 1]", models="[mlp, small_cnn]", losses="[brier, focal_1]"))
    before = commits(store)
    assert "1 done before, 7 to run" in calibsweep("run", grown, "--store", str(store))
    after = commits(store)
    assert len(after) == 8 and {name: after[name] for name in before} == before

    victim = next((store / "predictions").rglob("*.parquet"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    expected = numbers(store)
    victim.write_bytes(content)
    # A row that is whole, and whose scores are another trial's.
    false, other = [p for p in (store / "trials").rglob("*.parquet") if p.stem not in victim.name][:2]
    scores = rows.from_parquet(other.read_bytes())["scores"][0].as_py()
    false.write_bytes(rows.to_parquet(rows.rescored(rows.from_parquet(false.read_bytes()), dict(scores), {})))
    told = printed("store", "verify", "--store", str(store), code=1)
    assert victim.name in told and false.name in told
    told = printed("plan", grown, "--store", str(store))
    assert "7 done, 1 missing" in told and victim.name in told and false.name in told
    output = calibsweep("run", grown, "--store", str(store))
    assert "7 done before, 1 to run" in output and victim.name in output and false.name in output
    assert any((store / "damaged").rglob(victim.name)) and any((store / "damaged").rglob(false.name))
    pd.testing.assert_frame_equal(numbers(store), expected, check_exact=True)
    printed("store", "verify", "--store", str(store))
