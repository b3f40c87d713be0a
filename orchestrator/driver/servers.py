"""Ray's own processes where we start them, and the head of a cluster where we do not."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import ray

from orchestrator.driver import ray_private
from orchestrator.driver.errors import StartError
from orchestrator.driver.ray_start import connect
from orchestrator.driver.scratch import logs_folder
from orchestrator.driver.stop_request import STOP_SECONDS, StopRequest
from orchestrator.driver.worker_check import LONGEST_START, last_error

NEEDED = ("gcs_server", "raylet")
"""The programs of Ray's without which nothing goes on."""

TRAINING = ("Trainable", "Trial", "Member")
"""How Ray names the processes that have, or had, a trial: by their class, and its method that runs."""

OUTSIDE_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LOST_SECONDS, LOST_ASKED_SECONDS, PROBE_SECONDS = 45.0, 5.0, 1.0
"""For how long the head of a cluster may be out of reach; Ray's core aborts its process after 60 seconds."""


STARTED = re.compile(r"worker process with pid (\d+)")
"""How a raylet logs that it has started a process for trials."""

GRACE_SECONDS = 3.0
"""For how long none of the first processes may live."""


class Servers:
    """What `ray.init` starts on this machine, kept apart from signals that are meant for us.

    A signal to our process group, or to every process of ours as systemd and SLURM send it, would have Ray's
    servers end before the trials have kept checkpoints. So each is in a session of its own, with such
    signals blocked: it ends when we say so, and with us (the kernel's parent death signal).

    Args:
        folder: Where they keep their files, as `scratch.Scratch` makes it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: list[Server] = []
        self.ending = False
        self.connected = self.worked = False
        self.lived = self.began = time.monotonic()
        # To the kernel a process's parent is the thread that starts it: one that lives as long as we do.
        self.starter = ThreadPoolExecutor(1, thread_name_prefix="servers")

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """While this is open, Ray's processes are started in this way."""
        with ray_private.servers_started_by(self._start):
            yield

    def _start(self, command: list[str], **options: Any) -> Server:
        server = self.starter.submit(Server, self, command, **options).result()
        self.processes.append(server)
        return server

    def gone(self, asked: bool) -> str | None:
        lost = self._lost_in_words()
        never = lost if not self.connected else self._no_worker()
        if never:
            raise StartError(never)
        return lost

    def _lost_in_words(self) -> str | None:
        lost = self.lost()
        if lost is None:
            return None
        code = lost.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"Ray's {lost.program} ended by itself ({how}); its logs are in {self._keep_logs()}"

    def _no_worker(self) -> str | None:
        """Why no trial will ever start, where all processes for trials died before Ray heard of them.

        Ray itself waits for them, starts others and waits again, without end.
        """
        # Once Ray has heard of a process it has a log of its own.
        self.worked = self.worked or any(self.folder.glob("session_2*/logs/worker-*.out"))
        if self.worked:
            return None
        now = time.monotonic()
        started = [int(pid) for log in self._logs("raylet.out") for pid in STARTED.findall(log)]
        if not started or any(map(_runs, started)):
            self.lived = now
        if now < self.lived + GRACE_SECONDS and now < self.began + LONGEST_START:
            return None
        said = "".join(self._logs("raylet.err")).strip()
        told = f"{last_error(said)}. " if said else ""
        return f"a worker cannot start: {told}Ray's logs are in {self._keep_logs()}"

    def _logs(self, name: str) -> list[str]:
        found = self.folder.glob(f"session_2*/logs/{name}")
        return [path.read_text(encoding="utf-8", errors="replace") for path in found]

    def lost(self) -> Server | None:
        """The one of Ray's programs that has ended, though nobody of us has ended it."""
        for server in self.processes:
            if server.program in NEEDED and server.poll() is not None and not self.ending:
                return server
        return None

    def _keep_logs(self) -> Path:
        kept = logs_folder()
        for logs in self.folder.glob("session_2*/logs"):
            # Ray may be writing them still.
            with contextlib.suppress(OSError):
                shutil.copytree(logs, kept, dirs_exist_ok=True)
        return kept

    def release(self) -> None:
        """Has the processes that train keep checkpoints and end, and waits for them."""
        training = [process for process in self.family() if _is_training(process)]
        for process in training:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _wait(training, STOP_SECONDS)

    def family(self) -> list[psutil.Process]:
        """All processes of this Ray, also those whose parent has died."""
        sessions = {server.pid for server in self.processes}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) in sessions:
                    found.append(process)
        return found

    def kill(self) -> None:
        """Ends all of them at once."""
        self.ending = True
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        # Until nothing writes into the folder any more.
        _wait(family, 5)


class Server(subprocess.Popen[bytes]):
    """One of Ray's processes."""

    def __init__(self, servers: Servers, command: list[str], *, preexec_fn: Any, env: Any, **options: Any):
        self.servers = servers
        self.program = Path(command[0]).name
        parent = os.getpid()

        def prepare() -> None:
            preexec_fn()
            signal.pthread_sigmask(signal.SIG_BLOCK, OUTSIDE_SIGNALS)
            if os.getppid() != parent:
                # It has died before the kernel knew that it matters.
                os._exit(1)

        temporary = str(servers.folder / "tmp")
        super().__init__(
            command,
            preexec_fn=prepare,
            env={"TORCHINDUCTOR_CACHE_DIR": str(_compiled_code()), **env, "TMPDIR": temporary},
            start_new_session=True,
            **options,
        )

    def terminate(self) -> None:
        """As Ray ends it: with all that it has started, which would else wonder where it is."""
        self.servers.ending = True
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                if process.pid != self.pid and os.getsid(process.pid) == self.pid:
                    process.kill()
        self.kill()


class Head:
    """The head of a cluster that others have started.

    Args:
        address: Where it listens, as host:port.
        patient: Whether Ray itself says when the connection is lost for good, as it does through ray://.
    """

    def __init__(self, address: str, patient: bool = False):
        host, _, port = address.rpartition(":")
        self.address, self.host, self.port = address, host.strip("[]"), int(port)
        self.patient = patient
        self.answered = self.probed = time.monotonic()

    def gone(self, asked: bool) -> str | None:
        now = time.monotonic()
        if now > self.probed + PROBE_SECONDS:
            self.probed = now
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, self.port), timeout=PROBE_SECONDS).close()
                self.answered = now
        limit = LOST_ASKED_SECONDS if asked else LOST_SECONDS
        if now <= self.answered + limit or (self.patient and not asked):
            return None
        return f"the head of the cluster, {self.address}, answers no more"

    def release(self) -> None:
        """Nothing: what trains there sees for itself that the head is gone, and keeps checkpoints."""


@contextlib.contextmanager
def connected(address: str | None, folder: Path, request: StopRequest) -> Iterator[None]:
    """While this is open, Ray is: one of our own, or the cluster at `address`.

    Args:
        folder: As `scratch.Scratch` makes it.
        request: Is told what to look after, and what to end where this does not come to its end.

    Raises:
        StartError: Ray cannot be started, twice in a row.
        ConfigurationError: No cluster answers.
    """
    servers = _started(address, folder, request)
    try:
        request.ray = servers if address is None else _head(address)
        yield
    finally:
        if servers.lost():
            # To Ray all trials are over by then; their processes are not.
            servers.release()
        ray.shutdown()
        request.ray = None
        servers.kill()


def _started(address: str | None, folder: Path, request: StopRequest) -> Servers:
    """Starts Ray; once more where it fails, since on a machine with much to do its servers may be late."""
    for last in (address is not None, True):
        servers = Servers(folder)
        request.undo.insert(0, servers.kill)
        if address is None:
            request.ray = servers
        try:
            with servers.started():
                connect(address, folder)
            servers.connected = True
            return servers
        except BaseException as error:
            request.ray = None
            ray.shutdown()
            servers.kill()
            if last or request.asked is not None or not isinstance(error, StartError):
                raise
    raise AssertionError("the last attempt returns or raises")


def _head(address: str) -> Head:
    if address.startswith("ray://"):
        return Head(address.removeprefix("ray://"), patient=True)
    return Head(ray.get_runtime_context().gcs_address)


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    """Until they have ended; psutil's own also waits until somebody has read their exit codes."""

    end = time.monotonic() + seconds
    while any(map(_runs, processes)) and time.monotonic() < end:
        time.sleep(0.02)


def _runs(process: psutil.Process | int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process) if isinstance(process, int) else process
        return bool(found.is_running() and found.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_training(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        title = " ".join(process.cmdline())
        return title.startswith("ray::") and any(name in title for name in TRAINING)
    return False


def _compiled_code() -> Path:
    """Where torch keeps what it has compiled when it is not told: worth keeping from one run to the next."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid_{os.getuid()}"
    return Path(tempfile.gettempdir()) / f"torchinductor_{user}"
