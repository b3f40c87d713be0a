"""One machine and SLURM: what their tools say of the files; and the script, run on one node without SLURM."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import DEADLINE, REPOSITORY, family, program, wait_until

FOLDER = REPOSITORY / "docs" / "clusters"
SCRIPT = FOLDER / "slurm.sh"


# --- One machine ----------------------------------------------------------------------------------


def test_unit_is_sound_and_stops_the_command_before_what_runs_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = FOLDER / "calibsweep@.service"
    (setting,) = re.findall(r"^KillMode=(.*)$", unit.read_text(), re.M)
    assert setting == "mixed"  # SIGTERM to the command alone
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    command = tmp_path / "calibsweep" / ".venv" / "bin" / "calibsweep"
    command.parent.mkdir(parents=True)
    command.touch(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    done = subprocess.run(["systemd-analyze", "--user", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- SLURM ----------------------------------------------------------------------------------------


def test_script_is_sound() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    subprocess.run([program("shellcheck"), str(SCRIPT)], check=True)


SWEEP = """\
    name: tiny
    description: Two small trials
    training: {epochs: 150}
    seeds: [0]
    blocks:
      - datasets: [digits]
        models: [mlp]
        losses: [cross_entropy, brier]
    run: {watch: [], cpus_per_trial: 1, gpus_per_trial: 0, checkpoint_every: 5}
"""

STAND_INS = {
    # One node: what srun would start on each is started here.
    "srun": 'while [ "$1" != ray ]; do shift; done\nexec "$@"',
    "scontrol": 'echo "scontrol $*" >> "$SCONTROL_LOG"',
    "hostname": "echo 127.0.0.1",
    "calibsweep": f'exec {shlex.quote(sys.executable)} -m orchestrator "$@"',
}


@pytest.fixture
def sbatch(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs the script as SLURM would on one node, with the real `ray symmetric-run`.

    That one refuses to start beside another Ray of this machine, and ends by `ray stop`, which stops each
    that it sees. Here it sees none but its own: all of it is in a namespace of processes and of the network,
    where there is only localhost, and ends with that.
    """
    alone = [
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    connected = "ip link set lo up"
    probe = [*alone, "sh", "-c", connected]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("no namespaces here, without which `ray stop` would reach each Ray of this machine")
    folder, home = tmp_path / "bin", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    for name, body in {**STAND_INS, "ray": f'exec {shlex.quote(program("ray"))} "$@"'}.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (folder / name).chmod(0o755)
    (tmp_path / "tiny.yaml").write_text(textwrap.dedent(SWEEP))
    number = 1_000_000 + os.getpid()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CALIBSWEEP_", "RAY_"))},
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        "HOME": str(home),
        "CALIBSWEEP_STORE": str(tmp_path / "store"),
        "SCONTROL_LOG": str(tmp_path / "scontrol"),
        "SLURM_JOB_ID": str(number),
        "SLURM_NNODES": "1",
        "SLURM_CPUS_PER_TASK": "1",
    }
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        # The namespace's first process is not the script: it would ignore signals that it has no handler for.
        inner = ["bash", "-c", f'{connected}; bash "$@"; exit "$?"', "slurm", str(SCRIPT)]
        process = subprocess.Popen(
            [*alone, *inner, str(tmp_path / "tiny.yaml"), *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()  # and with it, by --kill-child, all of the namespace
        process.wait()
    shutil.rmtree(f"/tmp/calibsweep-{number}", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_script_is_told_of_its_time_limit_and_the_next_start_goes_on(
    sbatch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    store, log = tmp_path / "store", tmp_path / "scontrol"
    first = sbatch()
    wait_until(lambda: list(store.glob("checkpoints/*/*")) or first.poll() is not None, "a checkpoint")
    (script,) = [one for one in family(first) if one.cmdline()[:2] == ["bash", str(SCRIPT)]]
    os.kill(script.pid, signal.SIGUSR1)
    output, _ = first.communicate(timeout=DEADLINE)
    assert first.returncode != 0, output
    assert log.read_text().startswith("scontrol requeue "), output
    assert list(store.glob("checkpoints/*/*")) and len(list(store.glob("trials/**/*.parquet"))) < 2, output

    second = sbatch()
    output, _ = second.communicate(timeout=DEADLINE)
    assert second.returncode == 0, output
    assert len(list(store.glob("trials/**/*.parquet"))) == 2, output
    assert len(log.read_text().splitlines()) == 1
    token = (tmp_path / "home" / ".ray" / "auth_token").read_text()
    assert len(token) == 64 and token not in output


@pytest.mark.slow
def test_script_says_so_where_ray_did_not_start(
    sbatch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """symmetric-run itself ends with 0 then."""
    (tmp_path / "bin" / "hostname").write_text("#!/bin/sh\necho 192.0.2.1\n")  # no address of this machine
    (tmp_path / "bin" / "srun").write_text("#!/bin/sh\nexit 0\n")
    process = sbatch()
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2 and "nothing was run" in output
