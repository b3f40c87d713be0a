"""However a sweep is ended: trials that run keep checkpoints, one line tells, the same command goes on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO, cast

import psutil
import pytest

from orchestrator.driver import servers
from orchestrator.driver.scratch import LOGS_PREFIX, PREFIX, Scratch, logs_folder
from orchestrator.driver.signals import LastingStream
from orchestrator.driver.stop_request import AGAIN_SECONDS, StopRequest, ended_by

from .conftest import (
    REPOSITORY,
    Command,
    cluster,
    family,
    is_training,
    trained_alone,
    wait_until,
    workers,
)
from .test_faults import place
from .test_recovery import assert_as_undisturbed, checkpoints, commits

pytestmark = pytest.mark.timeout(600)

SWEEP = """
name: endings
seeds: [0]
training: {epochs: 120}
blocks:
  - {datasets: [digits], models: [small_cnn], losses: [adafocal]}
run: {checkpoint_every: 10, cpus_per_trial: 1, watch: []}
"""

HANDLED, OPENED, RAY = "its handlers are there", "it has said what it runs", "Ray starts"
EPOCH, PAUSE = "a trial trains", "all trials wait after a death"
DRIVER, TWICE, EVERY = "the driver", "the driver, then its group", "every process"
TERMINAL = "whoever has the terminal, which is closed"
GCS, RAYLET = "gcs_server", "raylet"

# Each signal in each state, driver and group each with each signal and in each state. `timeout` signals its
# child and then the group, the kernel the group of a terminal, systemd and SLURM every process. Last what may
# die by itself.
CASES = [
    (signal.SIGTERM, DRIVER, HANDLED),
    (signal.SIGINT, TWICE, OPENED),
    (signal.SIGHUP, DRIVER, RAY),
    (signal.SIGTERM, TWICE, EPOCH),
    (signal.SIGINT, DRIVER, EPOCH),
    (signal.SIGHUP, TERMINAL, EPOCH),
    (signal.SIGTERM, DRIVER, PAUSE),
    (signal.SIGINT, TWICE, PAUSE),
    (signal.SIGHUP, DRIVER, PAUSE),
    (signal.SIGTERM, EVERY, EPOCH),
    (signal.SIGTERM, EVERY, RAY),
    (signal.SIGKILL, GCS, EPOCH),
    (signal.SIGKILL, RAYLET, EPOCH),
    (signal.SIGKILL, GCS, RAY),
    (signal.SIGKILL, RAYLET, RAY),
]
GOES_ON = [(signal.SIGTERM, EVERY, EPOCH), (signal.SIGKILL, GCS, EPOCH)]

ENDS_SECONDS = 30.0
"""From the signal to the end, on a machine that does much else; Ray by itself would wait for a minute."""

SIDE_BY_SIDE = 3


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """SIGHUP is heard, also where these tests are started by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder of a short path, for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="cs", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def programs(run: subprocess.Popen[str], name: str) -> list[psutil.Process]:
    found = []
    for process in family(run):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(process)
    return found


def handles(run: subprocess.Popen[str], number: signal.Signals) -> bool:
    status = Path(f"/proc/{run.pid}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@contextlib.contextmanager
def started(
    calibsweep: Command, target: str, *arguments: str, temporary: Path
) -> Iterator[tuple[subprocess.Popen[str], TextIO]]:
    """A sweep in a process group of its own, and what it prints."""
    options: dict[str, Any] = {"environment": {"TMPDIR": str(temporary)}, "start_new_session": True}
    if target != TERMINAL:
        run = calibsweep.start(*arguments, **options)
        assert run.stdout is not None
        yield run, cast(TextIO, run.stdout)
        return
    ours, its = os.openpty()
    options |= dict.fromkeys(("stdin", "stdout", "stderr"), its)
    run = calibsweep.start(*arguments, **options, preexec_fn=lambda: fcntl.ioctl(its, termios.TIOCSCTTY, 0))
    os.close(its)
    with open(ours, encoding="utf-8") as printed:  # noqa: PTH123  # no path, a terminal
        yield run, printed


def bring_to(state: str, target: str, run: subprocess.Popen[str], output: TextIO, store: Path) -> str:
    """Waits until a sweep is in a state; returns what it has printed."""
    if state == HANDLED:
        wait_until(lambda: handles(run, signal.SIGHUP), state)
        return ""
    printed = ""
    while "1 to run" not in printed:
        line = output.readline()
        assert line, printed
        printed += line
    if state == RAY:
        wait_until(lambda: programs(run, RAYLET if target == RAYLET else GCS), state)
    if state == EPOCH:
        wait_until(lambda: checkpoints(store), state)
        # Else it may still stand where that checkpoint was made, and keep no other.
        time.sleep(0.3)
    if state == PAUSE:
        wait_until(lambda: workers(run), state)
        for worker in workers(run):
            worker.kill()
        while "it resumes in" not in printed:
            line = output.readline()
            assert line, printed
            printed += line
    return printed


def end(number: signal.Signals, target: str, run: subprocess.Popen[str], output: TextIO) -> None:
    if target == TERMINAL:
        output.close()
    if target in (GCS, RAYLET):
        (process,) = programs(run, target)
        process.send_signal(number)
    if target in (DRIVER, TWICE):
        run.send_signal(number)
    if target == TWICE:
        os.killpg(run.pid, number)
    if target == EVERY:
        # Ray's own first, as it may come.
        for process in reversed(family(run)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@pytest.mark.slow
def test_a_sweep_can_be_ended_in_any_state_by_anything(
    calibsweep: Command, temporary: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "endings.yaml"
    sweep.write_text(SWEEP, encoding="utf-8")

    def command(case: Any) -> tuple[str, ...]:
        return "run", str(sweep), "--store", str(tmp_path / f"store-{CASES.index(case)}")

    def check(case: Any) -> None:
        number, target, state = case
        store = tmp_path / f"store-{CASES.index(case)}"
        with started(calibsweep, target, *command(case), temporary=temporary) as (run, output):
            printed = bring_to(state, target, run, output, store)
            everything = family(run)
            end(number, target, run, output)
            rest = "" if output.closed else output.read()
            told = f"{number.name} to {target} while {state}: {printed}{rest}"
            never = target in (GCS, RAYLET) and state == RAY
            assert run.wait(ENDS_SECONDS) == 1 + never, told
        if target != TERMINAL:
            lines = [line for line in rest.splitlines() if "calibsweep: " in line or "resume" in line]
            assert len(lines) == 1 and ("resume" in lines[0]) != never, told
        if never:
            assert rest.endswith(f"{lines[0]}\n"), told
        for wrong in ("program will terminate", "Traceback", "it resumes in", "SIGTERM received"):
            assert wrong not in rest, told
        _, alive = psutil.wait_procs(everything, timeout=20)
        assert not alive, told
        kept = [place(path) for path in checkpoints(store)]
        assert len(kept) == (state == EPOCH), told
        regular.extend(1 for epoch, batch in kept if epoch % 10 == 0 and batch == 0)
        assert not commits(store)
        # The logs of a dead Ray are kept (elsewhere too, if the driver's own signal came an instant later).
        if target in (GCS, RAYLET):
            (logs,) = re.findall(rf"{LOGS_PREFIX}\w+", rest)
            assert any((temporary / logs).iterdir()), told

    regular: list[int] = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(check, CASES))
    # A stop may fall on a tenth epoch, whose checkpoint is a regular one: for one case in a hundred or so. If
    # none kept a checkpoint of its own, all would be.
    assert len(regular) < 3
    assert not list(temporary.glob(f"{PREFIX}*"))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        expected = pool.submit(trained_alone, calibsweep, tmp_path / "undisturbed", 120, ("adafocal", 0))
        list(pool.map(lambda case: calibsweep(*command(case)), GOES_ON))
    for case in GOES_ON:
        store = tmp_path / f"store-{CASES.index(case)}"
        assert_as_undisturbed(store, expected.result())
        assert "preempted" not in calibsweep("plan", str(sweep), "--store", str(store))


@pytest.mark.slow
def test_a_stop_while_the_head_of_the_cluster_dies(calibsweep: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "endings.yaml"
    sweep.write_text(
        SWEEP.replace("epochs: 80", "epochs: 600").replace("every: 10", "every: 1000"), encoding="utf-8"
    )
    with cluster(calibsweep, 1) as nodes:
        run = calibsweep.start(
            "run", str(sweep), "--store", str(tmp_path / "store"), "--address", nodes.address
        )

        def trains() -> bool:
            return any(map(is_training, psutil.Process().children(recursive=True)))

        wait_until(trains, "a trial that trains")
        # At first it only reads its data.
        time.sleep(3)
        nodes.head_node.all_processes["gcs_server"][0].process.kill()
        run.terminate()
        output, _ = run.communicate(timeout=ENDS_SECONDS)
        assert run.returncode == 1
        assert f"the head of the cluster, {nodes.address}" in output
        assert "program will terminate" not in output
        # Saved by the process itself, which lives on.
        wait_until(lambda: checkpoints(tmp_path / "store"), "a checkpoint")


def test_a_silent_head_gets_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(servers, "LOST_STOPPING_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        head = servers.Head(address)
        probed = head.probed
        wait_until(lambda: head.gone(stopping=True) or head.probed > probed, "a probe")
        assert head.gone(stopping=True) is None
    wait_until(lambda: head.gone(stopping=True), "the head is missed")
    assert address in str(head.gone(stopping=True))
    assert head.gone(stopping=False) is None


def test_a_repeated_request_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    request = StopRequest()
    with request.trials():
        # As by `timeout`, which signals its child and then the whole group.
        request.note(signal.SIGTERM)
        request.note(signal.SIGTERM)
        assert request.requested_at == now and not request.at_once
        now += AGAIN_SECONDS + 1
        request.note(signal.SIGHUP)
        assert not request.at_once
        request.note(signal.SIGINT)
        assert request.requested_at == 100.0 and request.at_once
    early = StopRequest()
    early.note(signal.SIGHUP)
    assert early.at_once


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ended_by() == {signal.SIGTERM, signal.SIGINT}
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in ended_by()


def test_output_without_a_reader_is_discarded() -> None:
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream:  # noqa: PTH123  # no path, a pipe
        lasting = LastingStream(stream)
        lasting.write("read\n")
        lasting.flush()
        assert os.read(reading, 100) == b"read\n"
        os.close(reading)
        for _ in range(2):
            assert lasting.write("lost\n") == 5
            lasting.flush()


def test_a_run_deletes_only_the_folders_of_dead_runs(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import time; from orchestrator.driver.scratch import Scratch; s = Scratch();"
        "(s.folder / 'tmp' / 'file').touch(); print(s.folder, flush=True); time.sleep(600)"
    )

    def another() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    (living, lives), (killed, died) = another(), another()
    killed.kill()
    killed.wait()
    someone_else_s = temporary / "ray"
    someone_else_s.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    old, young = logs_folder(), logs_folder()
    (old / "raylet.out").touch()
    last_week = time.time() - 86_400 * 8
    os.utime(old, (last_week, last_week))
    ours = Scratch(temporary)
    try:
        assert not died.exists() and not old.exists() and young.exists()
        assert (lives / "tmp" / "file").exists() and someone_else_s.exists()
        assert ours.folder.parent == temporary
        ours.delete()
        assert not ours.folder.exists()
    finally:
        living.kill()
        living.wait()
