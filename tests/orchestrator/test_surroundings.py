"""What has a name of ours and lies in the current folder changes nothing; elsewhere it may, and is told."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.driver.worker_check import failed_start
from results.store.store import Store

from .conftest import Command, cluster, family, halved, installed_package, program, source_with

TINY = """
    name: tiny
    seeds: [0]
    run: {watch: []}
    training: {epochs: 1}
    blocks: [{datasets: [digits], models: [mlp], losses: [brier]}]
"""

EARLY = """
import os, sys
if any("default_worker" in argument for argument in sys.orig_argv):
    os.write(2, b"OSError: some_driver.so: cannot open shared object file\\n")
    os._exit(3)
"""

OURS = ("orchestrator", "sweeps", "trainables")


@dataclass
class Installed(Command):
    """The command as one types it who has installed it, in a folder of one's own."""

    folder: Path = Path()
    way: list[str] = field(default_factory=lambda: [program("calibsweep")])

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment().items() if name != "PYTHONPATH"}

    def start(
        self, *arguments: str, environment: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.way, *arguments],
            cwd=self.folder,
            env=self.environment() | (environment or {}),
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )
        self.started.append(psutil.Process(process.pid))
        return process


@dataclass
class Packaged(Installed):
    """The same with further packages."""

    packages: Path = Path()

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PYTHONPATH": str(self.packages)}


def all_listening(process: subprocess.Popen[str]) -> set[tuple[str, str]]:
    """Each process of a command, its own too, with each address that it listens on until it ends."""
    found = set()
    while process.poll() is None:
        for each in family(process):
            with contextlib.suppress(psutil.Error):
                name = " ".join(each.cmdline())[:200]
                opened = each.net_connections("inet")
                found |= {(name, c.laddr.ip) for c in opened if c.laddr and not c.raddr}
        time.sleep(0.1)
    return found


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def hostile(folder: Path, packages: tuple[str, ...], modules: tuple[str, ...]) -> Path:
    """A folder whose packages and modules cannot be imported, and with the folder that --store makes."""
    for package in packages:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(f"raise RuntimeError('{folder}')", encoding="utf-8")
    for module in modules:
        (folder / f"{module}.py").write_text(f"raise RuntimeError('{folder}')", encoding="utf-8")
    (folder / "results").mkdir()
    return folder


CREATION = (
    "The actor died because of an error raised in its creation task, ray::RayTrial.__init__() (pid=7)\n"
)


@pytest.mark.parametrize(
    ("error", "own"),
    [
        ("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR", None),
        (CREATION + "  File ...\nray.exceptions.OwnerDiedError: Failed to retrieve object", None),
        (CREATION + "ImportError: first\n\nmore of it,\nand what to do.", "ImportError: first"),
        (
            CREATION
            + "ray.exceptions.RaySystemError: System error: x\nTraceback:\n  File ...\nKeyError: 'x'",
            "KeyError: 'x'",
        ),
        (
            "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.\nOSError: no space",
            "OSError: no space",
        ),
    ],
)
def test_a_worker_that_cannot_start_differs_from_a_dead_one(error: str, own: str | None) -> None:
    assert failed_start(error) == own


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("results/store.py", "", "{0}/results hides the package of calibsweep"),
        ("trainables/errors.py", "", "{0}/trainables hides the package of calibsweep"),
        ("pandas.py", "import some_library", "No module named 'some_library', which {0}/pandas.py imports"),
    ],
)
def test_a_mismatched_installation_is_one_line(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [program("calibsweep"), "tables", "--store", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and not done.stdout
    assert re.fullmatch(r"calibsweep: .*\n", done.stderr) and message.format(tmp_path) in done.stderr


@pytest.mark.slow
def test_nothing_in_the_current_folder_is_imported_here_and_nothing_listens_to_other_machines(
    tmp_path: Path, sweep_file: Callable[[str], str]
) -> None:
    sweep = sweep_file(TINY)
    modules = ("random", "json", "typing", "signal", "pandas", "ray", "torch")
    # Python itself reads what `-m` is to start, and what that needs, from the current folder.
    module = Installed(
        folder=hostile(tmp_path / "module", OURS[1:], modules), way=[sys.executable, "-m", "orchestrator"]
    )
    script = Installed(folder=hostile(tmp_path / "script", OURS, (*modules, "types", "contextlib")))
    module("run", sweep, "--store", "results")
    run = script.start("run", sweep, "--store", "results")
    listening = all_listening(run)
    assert run.returncode == 0, run.communicate()
    for each in (module, script):
        assert len(Store(str(each.folder / "results")).trials()) == 1
    assert not {(name, address) for name, address in listening if not is_loopback(address)}
    names = {name for name, _ in listening}
    for server in ("calibsweep", "gcs_server", "raylet", "DashboardAgent", "RuntimeEnvAgent"):
        assert any(server in name for name in names), server
    assert any(name.startswith("ray::") and "Agent" not in name for name in names), "a worker"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nor_on_a_cluster_and_a_node_that_cannot_run_this_code_says_why(
    tmp_path: Path, sweep_file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_file(TINY)
    # The nodes are started there too.
    here = Installed(folder=hostile(tmp_path / "here", OURS, ("random", "json", "types")))
    monkeypatch.chdir(hostile(tmp_path / "nodes", OURS, ()))
    with cluster(here, 1) as nodes:
        where = ("--address", nodes.address, "--store")
        here("run", sweep, *where, "results")
        assert len(Store(str(here.folder / "results")).trials()) == 1

        # Another package provides a loss, and is installed only where the driver runs.
        installed_package(tmp_path / "packages", "1.2", halved(tmp_path / "never"))
        theirs = sweep_file(TINY.replace("brier", "halved"), "theirs.yaml")
        with_package = Packaged(folder=here.folder, packages=tmp_path / "packages")
        output = with_package("run", theirs, *where, "another", code=2)
        (message,) = (line for line in output.splitlines() if line.startswith("calibsweep: "))
        assert re.search(r"no worker can start on the node \S+: ", message)
        assert "their-losses 1.2" in message and "loss 'halved'" in message
        assert not (here.folder / "another/failures").exists()

        other = tmp_path / "other"
        (other / "results").mkdir(parents=True)
        (other / "results" / "store.py").touch()
        elsewhere = nodes.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(other)})
        output = here("run", sweep, *where, "another", code=2)
        assert re.search(r"^calibsweep: no worker can start on the node \S+: ", output, re.M)
        assert "'results.store' is not a package" in output and f"; results is {other}/results." in output
        nodes.remove_node(elsewhere)

        changed = source_with(tmp_path / "changed", "losses", mine="# somebody else's\n")
        nodes.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(changed)})
        output = here("run", sweep, *where, "another", code=2)
        assert f"{changed} differs from this command's code" in output
        assert not (here.folder / "another/failures").exists()


@pytest.mark.slow
def test_a_worker_that_cannot_start_is_one_line_with_its_own_error_and_not_tried_again(
    tmp_path: Path, sweep_file: Callable[[str], str]
) -> None:
    source = source_with(tmp_path / "source")
    worker = source / "orchestrator" / "driver" / "worker.py"
    lacks = "import sys\nif 'default_worker' in sys.argv[0]:\n    import some_library\n"
    text = worker.read_text(encoding="utf-8")
    worker.write_text(text.replace("annotations\n", f"annotations\n{lacks}", 1), encoding="utf-8")
    store = tmp_path / "store"
    output = Command(source)("run", sweep_file(TINY), "--store", str(store), code=2)
    message = output.splitlines()[-1]
    assert message.startswith(
        "calibsweep: a worker cannot start: ModuleNotFoundError: No module named 'some_library'"
    )
    assert "resumes in" not in output and not (store / "failures").exists()

    # One that dies before Ray hears of it, for which Ray itself would wait without end.
    (source / "sitecustomize.py").write_text(EARLY, encoding="utf-8")
    output = Command(source)("run", sweep_file(TINY), "--store", str(store), code=2)
    (message,) = (line for line in output.splitlines() if line.startswith("calibsweep: "))
    assert "a worker cannot start: OSError: some_driver.so: cannot open shared object file. " in message
    assert output.endswith(f"{message}\n") and "Traceback" not in output
