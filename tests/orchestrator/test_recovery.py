"""Kills, done for real: the same command again then makes the store of an undisturbed run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from results import rows
from results.store import Store
from sweeps.expand import load

from .conftest import Command, family, wait_until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = """
    name: kills
    seeds: [0, 1]
    training: {epochs: 60}
    blocks:
      - datasets: [digits]
        models: [small_cnn]
        losses: [flsc_531, adafocal]
    run: {checkpoint_every: 3}
"""

# What may differ between two runs of a trial is what the run cost and where it was; all else is its numbers.
IDENTITY = ["key", "variant", "dataset", "model", "loss", "seed", "identity"]
DATA = ["predictions_digest", "epochs_digest", "dataset_fingerprint"]


def numbers(store: Path) -> pd.DataFrame:
    frame = Store(str(store)).trials()
    scores = sorted(c for c in frame.columns if c.startswith(("test_", "validation_", "temperature_")))
    return frame[IDENTITY + DATA + scores]


def commits(store: Path) -> dict[str, tuple[int, int]]:
    """Each committed row with its inode and time: a trial that ran again would have changed them."""
    rows = (store / "trials").rglob("*.parquet")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in rows}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep = folder / "kills.yaml"
    sweep.write_text("\n".join(line[4:] for line in SWEEP.splitlines()), encoding="utf-8")
    Command()("run", str(sweep), "--store", str(folder / "store"))
    frame = numbers(folder / "store")
    assert len(frame) == 4
    return str(sweep), frame


def checkpoints(store: Path) -> set[Path]:
    return set((store / "checkpoints").glob("*/*.pt"))


def assert_as_undisturbed(store: Path, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(numbers(store), expected, check_exact=True)
    assert not checkpoints(store)
    for kind in ("predictions", "epochs", "trials"):
        assert len(list((store / kind).rglob("*.parquet"))) == len(expected)


def test_a_killed_worker_is_replaced_and_its_trial_goes_on(
    calibsweep: Command, undisturbed: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    sweep, expected = undisturbed
    run = calibsweep.start("run", sweep, "--store", str(tmp_path))
    wait_until(lambda: checkpoints(tmp_path) and workers(run), "a worker with a checkpoint")
    for worker in workers(run):
        worker.kill()
    output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    assert_as_undisturbed(tmp_path, expected)
    assert (Store(str(tmp_path)).trials()["resumed_from_epoch"] > 0).any()


def test_a_killed_driver_loses_nothing(
    calibsweep: Command, undisturbed: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    sweep, expected = undisturbed
    run = calibsweep.start("run", sweep, "--store", str(tmp_path))

    def early() -> set[Path]:
        # Workers outlive their driver by a moment, in which a trial that is nearly done would end.
        return {path for path in checkpoints(tmp_path) if int(path.name[:6]) < 15}

    wait_until(lambda: commits(tmp_path) and early(), "a finished trial and one that has just begun")
    training = workers(run)
    run.kill()
    run.wait()
    # The driver's own Ray goes with it: nothing trains on unseen.
    _, alive = psutil.wait_procs(training, timeout=60)
    assert not alive
    before = commits(tmp_path)
    trials = load(sweep).trials
    assert 0 < len(before) < len(trials)
    calibsweep("run", sweep, "--store", str(tmp_path))
    after = commits(tmp_path)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(tmp_path, expected)
    assert (Store(str(tmp_path)).trials()["resumed_from_epoch"] > 0).any()


def test_everything_killed_at_once_loses_nothing(
    calibsweep: Command, undisturbed: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    sweep, expected = undisturbed
    seen: set[Path] = set()
    for _ in range(2):
        run = calibsweep.start("run", sweep, "--store", str(tmp_path))
        wait_until(lambda known=seen: checkpoints(tmp_path) - known, "a new checkpoint")
        seen = seen | checkpoints(tmp_path)
        for process in family(run):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        run.wait()
    before = commits(tmp_path)
    output = calibsweep("run", sweep, "--store", str(tmp_path))
    assert f"{len(before)} done before" in output
    after = commits(tmp_path)
    assert {name: after[name] for name in before} == before
    assert_as_undisturbed(tmp_path, expected)


def test_two_drivers_on_one_store_do_no_harm(
    calibsweep: Command, undisturbed: tuple[str, pd.DataFrame], tmp_path: Path
) -> None:
    sweep, expected = undisturbed
    drivers = [calibsweep.start("run", sweep, "--store", str(tmp_path)) for _ in range(2)]
    for driver in drivers:
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    assert_as_undisturbed(tmp_path, expected)


def test_only_what_is_new_runs_and_damage_is_made_again(
    calibsweep: Command,
    undisturbed: tuple[str, pd.DataFrame],
    tmp_path: Path,
    sweep_file: Callable[..., str],
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
    first = sweep_file(small.format(seeds="[0]", models="[mlp]", losses="[brier]"))
    calibsweep("run", first, "--store", str(store))
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
    false.write_bytes(
        rows.to_parquet(rows.scored_anew(rows.from_parquet(false.read_bytes()), dict(scores), {}))
    )
    told = calibsweep("store", "verify", "--store", str(store), code=1)
    assert victim.name in told and false.name in told
    told = calibsweep("plan", grown, "--store", str(store))
    assert "7 done, 1 missing" in told and victim.name in told and false.name in told
    output = calibsweep("run", grown, "--store", str(store))
    assert "7 done before, 1 to run" in output and victim.name in output and false.name in output
    assert any((store / "damaged").rglob(victim.name)) and any((store / "damaged").rglob(false.name))
    pd.testing.assert_frame_equal(numbers(store), expected, check_exact=True)
    calibsweep("store", "verify", "--store", str(store))
