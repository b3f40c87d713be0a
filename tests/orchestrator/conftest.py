"""Sweeps run as a user runs them: the command in a process of its own, on a real Ray."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from filelock import FileLock
from ray.cluster_utils import Cluster

from orchestrator.cli import app
from orchestrator.driver.ray_private import lean
from results.store.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE = 240.0


@dataclass
class Command:
    """Starts `calibsweep` from a source tree and, at the end of a test, ends what it started."""

    source: Path = REPOSITORY
    started: list[psutil.Process] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CALIBSWEEP_")}
        # As where this environment is activated.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        ours = {"PYTHONPATH": str(self.source), "OMP_NUM_THREADS": "1", "COLUMNS": "160", "PATH": path}
        return {**kept, **ours}

    def start(
        self, *arguments: str, environment: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """`options` are those of `subprocess.Popen`."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=self.source,
            env=self.environment() | (environment or {}),
            text=True,
            **options,
        )
        self.started.append(psutil.Process(process.pid))
        return process

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Runs a command to its end and returns what it printed; fails on another exit code."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == code, output
        return output


def printed(*arguments: str, code: int = 0, columns: int = 160) -> str:
    """The output of a command in this process, where Python need not start; fails on another exit code."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)}, catch_exceptions=False)
    assert done.exit_code == code, (arguments, done.output)
    return done.output


ALONE = """
import json, sys
from orchestrator import api

store, epochs, trials, plugins = json.loads(sys.argv[1])
api.add_plugins(*plugins)
for loss, seed in trials:
    api.trial("digits", "small_cnn", loss, seed, overrides=[f"training.epochs={epochs}"], store=store)
"""


def trained_alone(
    command: Command, store: Path, epochs: int, *trials: tuple[str, int], plugins: Sequence[str] = ()
) -> pd.DataFrame:
    """The numbers of trials of `small_cnn` on the digits that nothing disturbs: one by one, without Ray.

    Args:
        trials: Loss and seed of each.
    """
    done = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps([str(store), epochs, trials, plugins])],
        cwd=command.source,
        env=command.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return numbers(store)


# What may differ between two runs of a trial is what the run cost and where it was; all else is its numbers.
IDENTITY = ["key", "variant", "dataset", "model", "loss", "seed", "identity"]
DATA = ["predictions_digest", "epochs_digest", "dataset_fingerprint"]


def numbers(store: Path | str) -> pd.DataFrame:
    frame = Store(str(store)).trials()
    scores = sorted(c for c in frame.columns if c.startswith(("test_", "validation_", "temperature_")))
    return frame[IDENTITY + DATA + scores]


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A command's own process and all below it: Ray's servers and workers."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    return []


def is_training(process: psutil.Process) -> bool:
    """Whether this is a process of Ray's that trains a trial at this moment."""
    # Ray names it so, by a class that differs through ray://.
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline()).startswith(("ray::ResourceTrainable.train", "ray::RayTrial.train"))
    return False


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that are training a trial at this moment."""
    return [child for child in family(process) if is_training(child)]


def wait_until(condition: Callable[[], object], event: str) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        began = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        assert now < end, f"never happened: {event}"
        # Listing processes takes long, and the tests need the cores for the processes themselves.
        # But some states last only seconds.
        time.sleep(min(0.5, max(0.02, 9 * (now - began))))


def source_with(folder: Path, kind: str = "models", **plug_ins: str) -> Path:
    """A copy of the source tree with more components, as someone adds one: a file each."""
    for floor in ("trainables", "sweeps", "results", "orchestrator"):
        # A compiled module has another name while it is written.
        shutil.copytree(REPOSITORY / floor, folder / floor, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name, text in plug_ins.items():
        (folder / "trainables" / kind / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def installed_package(folder: Path, version: str, loss: str) -> None:
    """Installs a package in a folder: `their-losses`, which provides the losses of one file."""
    files = {
        f"their_losses-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: their-losses\nVersion: {version}\n"
        ),
        f"their_losses-{version}.dist-info/entry_points.txt": "[calibsweep.losses]\nany = their_losses\n",
        "their_losses.py": loss,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")


def halved(slow: Path) -> str:
    """The file of a loss that takes its time while `slow` is there, and no longer."""
    return f'''
        import time
        from pathlib import Path

        from torch.nn import functional

        from trainables.losses.base import Loss
        from trainables.registry import register


        @register("halved")
        class Halved(Loss):
            """Half the cross-entropy: a file that only the one who launches has."""

            def per_sample(self, logits, labels):
                if Path({str(slow)!r}).exists():
                    time.sleep(0.6)
                return 0.5 * functional.cross_entropy(logits, labels, reduction="none")
    '''


@contextlib.contextmanager
def cluster(
    command: Command, *gpus: int, dashboard: bool = False, client_port: int | None = None
) -> Iterator[Cluster]:
    """A Ray of several nodes on this machine, each with so many pretended GPUs and as many CPUs.

    Args:
        client_port: Where the first listens for ray://.
    """
    before = dict(os.environ)
    # The nodes' workers inherit it.
    os.environ.update(command.environment())
    # Else it starts a process for each CPU, which no trial uses.
    os.environ.update({"RAY_prestart_worker_first_driver": "0"})
    if client_port is not None:
        # Else what listens there crashes now and then: ray-project/ray#63202.
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    nodes = Cluster()
    # Of what starts with each node these tests ask the dashboard alone, and it takes seconds.
    started = contextlib.nullcontext() if dashboard else lean()
    try:
        listening = {} if client_port is None else {"ray_client_server_port": client_port}
        with started:
            for number in gpus:
                nodes.add_node(num_cpus=number, num_gpus=number, include_dashboard=dashboard, **listening)
                listening = {}
        yield nodes
    finally:
        nodes.shutdown()
        os.environ.clear()
        os.environ.update(before)


def program(name: str) -> str:
    """One that pip installed beside this Python, or any other."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, f"no {name}: make test installs it"
    return found


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The numbers of four trials of 60 epochs, made once for all processes that run tests."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "undisturbed.pickle"
    with FileLock(made.with_suffix(".lock")):
        if not made.exists():
            trials = [(loss, seed) for loss in ("adafocal", "flsc_531") for seed in (0, 1)]
            trained_alone(Command(), folder / "undisturbed", 60, *trials).to_pickle(made)
    return pd.read_pickle(made)


@pytest.fixture
def calibsweep() -> Iterator[Command]:
    command = Command()
    yield command
    for process in command.started:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [*process.children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[[str], str]:
    """Writes a sweep file and gives its path."""

    def write(text: str, name: str = "sweep.yaml") -> str:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    return write
