"""Watches Ray: its processes if this command starts them, else the head of the cluster."""

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
"""Ray's essential programs."""

TRAINING = ("Trainable", "Trial", "Member")
"""Parts of the process titles that Ray gives to trials' actors: class and method."""

OUTSIDE_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LOST_SECONDS, LOST_STOPPING_SECONDS, PROBE_SECONDS = 45.0, 5.0, 1.0
"""How long the head of a cluster may be unreachable. Ray's core aborts the process after 60 seconds."""


STARTED = re.compile(r"worker process with pid (\d+)")
"""A raylet's log line for a started worker."""

GRACE_SECONDS = 3.0
"""How long all of the first workers may be dead before the start has failed."""


class Servers:
    """Ray's servers on this machine, shielded from signals meant for this command.

    A signal to our process group, or to all our processes as from systemd and SLURM, would end the servers
    before the trials have saved checkpoints. So each server has its own session with these signals blocked.
    It ends on our command, and with us (the kernel's parent death signal).

    Args:
        folder: Folder for their files, from `scratch.Scratch`.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: list[Server] = []
        self.ending = False
        self.connected = self.worked = False
        self.lived = self.began = time.monotonic()
        # The kernel takes the starting thread for the parent, so this thread must live as long as we do.
        self.starter = ThreadPoolExecutor(1, thread_name_prefix="servers")

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Inside this context, Ray's processes are started in this way."""
        with ray_private.servers_started_by(self._start):
            yield

    def _start(self, command: list[str], **options: Any) -> Server:
        server = self.starter.submit(Server, self, command, **options).result()
        self.processes.append(server)
        return server

    def gone(self, stopping: bool) -> str | None:
        lost = self._loss_message()
        never = lost if not self.connected else self._no_worker()
        if never:
            raise StartError(never)
        return lost

    def killed(self) -> str | None:
        """The message if someone else killed an essential program."""
        lost = self.lost()
        return self._loss_message() if lost is not None and lost.returncode < 0 else None

    def _loss_message(self) -> str | None:
        lost = self.lost()
        if lost is None:
            return None
        code = lost.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"Ray's {lost.program} died ({how}); its logs are in {self._keep_logs()}"

    def _no_worker(self) -> str | None:
        """The reason if workers die before they register with Ray, which would start new ones forever."""
        # A worker gets its own log when it registers.
        self.worked = self.worked or any(self.folder.glob("session_2*/logs/worker-*.out"))
        if self.worked:
            return None
        now = time.monotonic()
        started = [int(pid) for log in self._logs("raylet.out") for pid in STARTED.findall(log)]
        if not started or any(map(_runs, started)):
            self.lived = now
        if now < self.lived + GRACE_SECONDS and now < self.began + LONGEST_START:
            return None
        stderr = "".join(self._logs("raylet.err")).strip()
        cause = f"{last_error(stderr)}. " if stderr else ""
        return f"a worker cannot start: {cause}Ray's logs are in {self._keep_logs()}"

    def _logs(self, name: str) -> list[str]:
        found = self.folder.glob(f"session_2*/logs/{name}")
        return [path.read_text(encoding="utf-8", errors="replace") for path in found]

    def lost(self) -> Server | None:
        """An essential program that has died on its own."""
        for server in self.processes:
            if server.program in NEEDED and server.poll() is not None and not self.ending:
                return server
        return None

    def _keep_logs(self) -> Path:
        kept = logs_folder()
        for logs in self.folder.glob("session_2*/logs"):
            # Ray may still be writing them.
            with contextlib.suppress(OSError):
                shutil.copytree(logs, kept, dirs_exist_ok=True)
        return kept

    def release(self) -> None:
        """Asks the training processes to save checkpoints and end, and waits for them."""
        training = [process for process in self.family() if _is_training(process)]
        for process in training:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _wait(training, STOP_SECONDS)

    def family(self) -> list[psutil.Process]:
        """All processes of this Ray, orphans included."""
        sessions = {server.pid for server in self.processes}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) in sessions:
                    found.append(process)
        return found

    def kill(self) -> None:
        """Kills all processes of this Ray."""
        self.ending = True
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        # So that nothing writes into the folder afterwards.
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
                # The parent died before the kernel had set the parent death signal.
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
        """Kills the server and everything that it has started."""
        self.servers.ending = True
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                if process.pid != self.pid and os.getsid(process.pid) == self.pid:
                    process.kill()
        self.kill()


class Head:
    """The head of an existing cluster.

    Args:
        address: Its address, host:port.
        patient: Leave it to Ray to declare the connection lost, as it does through ray://.
    """

    def __init__(self, address: str, patient: bool = False):
        host, _, port = address.rpartition(":")
        self.address, self.host, self.port = address, host.strip("[]"), int(port)
        self.patient = patient
        self.answered = self.probed = time.monotonic()

    def gone(self, stopping: bool) -> str | None:
        now = time.monotonic()
        if now > self.probed + PROBE_SECONDS:
            self.probed = now
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, self.port), timeout=PROBE_SECONDS).close()
                self.answered = now
        limit = LOST_STOPPING_SECONDS if stopping else LOST_SECONDS
        if now <= self.answered + limit or (self.patient and not stopping):
            return None
        return f"the head of the cluster, {self.address}, no longer responds"

    def release(self) -> None:
        """Does nothing: workers notice the loss of the head themselves, and save checkpoints."""


@contextlib.contextmanager
def connected(address: str | None, folder: Path, request: StopRequest) -> Iterator[None]:
    """Connects to the cluster at `address`, or to a Ray of its own, for the duration of the context.

    Args:
        address: Of a cluster; None to start Ray here.
        folder: From `scratch.Scratch`.
        request: Gets the Ray to watch, and the cleanup for an abrupt end.

    Raises:
        StartError: Ray failed to start twice.
        ConfigurationError: The cluster does not respond.
    """
    servers = _started(address, folder, request)
    try:
        request.ray = servers if address is None else _head(address)
        yield
    finally:
        if servers.lost():
            # Ray takes all trials for dead by now; their processes still run.
            servers.release()
        ray.shutdown()
        request.ray = None
        servers.kill()


def _started(address: str | None, folder: Path, request: StopRequest) -> Servers:
    """Starts Ray, and retries once, since on a busy machine its servers may miss their deadline."""
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
            killed = servers.killed() if isinstance(error, StartError) else None
            ray.shutdown()
            servers.kill()
            if killed:
                # As `gone` does, which may notice it later than Ray itself.
                raise StartError(killed) from error
            if last or request.requested_at is not None or not isinstance(error, StartError):
                raise
    raise AssertionError("the last attempt returns or raises")


def _head(address: str) -> Head:
    if address.startswith("ray://"):
        return Head(address.removeprefix("ray://"), patient=True)
    return Head(ray.get_runtime_context().gcs_address)


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    """Waits for the processes to end. psutil.wait_procs would also wait for their exit codes to be read."""
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
    """torch's default cache of compiled code, kept from one run to the next."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid_{os.getuid()}"
    return Path(tempfile.gettempdir()) / f"torchinductor_{user}"
