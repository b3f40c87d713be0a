"""Submits the driver of a sweep or a search with this code as a Ray job; finds, follows and stops it.

Nothing is stored on this machine: the metadata of the cluster's jobs identify their sweep and store.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import os
import shlex
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.command_line.base import PLUGINS_VARIABLE, given_plugins
from orchestrator.driver.own_code import FLOORS, SOURCE
from orchestrator.driver.ray_private import JOB_LOGGERS
from orchestrator.driver.stop_request import STOP_SECONDS
from results.store import provenance
from sweeps.spec import located
from trainables.errors import ConfigurationError
from trainables.registry.plugins import PLUGINS

ONCE = "shipment"
"""A file that makes each shipment unique."""

NOT_SHIPPED = ("__pycache__", "*.pyc", "recorded")
"""Parts of the source tree that no driver needs."""

LAUNCHED = "launched"
"""The shipment's folder with the sweep file and its plug-ins, in the same relative positions as here."""

LAUNCHED_VARIABLE = "CALIBSWEEP_LAUNCHED"
"""In a driver that is a job: the sweep and the cluster, as given to `launch`."""

TOKEN = Path.home() / ".ray" / "auth_token"

UNDER_WAY = ("PENDING", "RUNNING")

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """A driver on a cluster.

    Attributes:
        status: Ray's status: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: Ray's message.
        submitted: Seconds since 1970.
        entrypoint: The command of the job.
    """

    id: str
    status: str
    message: str
    submitted: float
    entrypoint: str = ""

    @property
    def under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def failed(self) -> bool:
        return self.status == "FAILED"


class Jobs:
    """The jobs of one sweep or search and store on a cluster.

    Args:
        address: Address of the cluster's dashboard, http://...:8265.
        command: Of the driver: 'run' or 'search'.
        name: Of the sweep or the search.
        store: Its store's URI.

    Raises:
        ConfigurationError: The dashboard does not respond.
    """

    def __init__(self, address: str, command: str, name: str, store: str):
        if TOKEN.is_file():
            # Otherwise Ray would not send the token that it has.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        from ray.job_submission import JobSubmissionClient

        self.address = address
        self.command, self.name = command, name
        of = "calibsweep_sweep" if command == "run" else f"calibsweep_{command}"
        self.whose = {of: name, "calibsweep_store": store}
        # Uploads we report ourselves.
        for chatty in JOB_LOGGERS:
            logging.getLogger(chatty).setLevel(logging.WARNING)
        with reaching(address):
            self.client = JobSubmissionClient(address)

    def latest(self) -> Job | None:
        """The job submitted last, if any."""
        return max(self._all(), key=lambda job: job.submitted, default=None)

    def submit(self, sweep: str, options: Sequence[str], given: Mapping[str, str | None]) -> str:
        """Submits the driver with this source tree and the sweep file. Returns the job's id.

        Args:
            sweep: The sweep or search file, or the name of a bundled sweep.
            options: Further arguments of the command.
            given: Other options of `launch`, so that the driver prints commands that work at its caller's.
        """
        now = datetime.datetime.now(datetime.UTC)
        with shipped(sweep) as (folder, file, plugins), reaching(self.address):
            program = ["python", "-m", "orchestrator"]
            command = [*program, self.command, str(file), "--address", "auto", *options]
            return self.client.submit_job(
                entrypoint=shlex.join(command),
                submission_id=f"calibsweep-{self.name}-{now:%Y%m%d-%H%M%S}",
                metadata=self.whose,
                runtime_env={
                    "working_dir": str(folder),
                    "env_vars": {
                        provenance.COMMIT_VARIABLE: provenance.source_commit(),
                        # By default Ray kills a job three seconds after asking it to stop.
                        "RAY_JOB_STOP_WAIT_TIME_S": str(int(STOP_SECONDS) + 60),
                        "PYTHONUNBUFFERED": "1",
                        PLUGINS_VARIABLE: os.pathsep.join(map(str, plugins)),
                        LAUNCHED_VARIABLE: json.dumps({**given, "sweep": sweep, "plugins": given_plugins}),
                    },
                },
            )

    def stop(self, job: Job) -> None:
        """Asks the driver to stop. It then waits for the checkpoints of the running trials."""
        with reaching(self.address):
            self.client.stop_job(job.id)

    def wait(self, job: Job) -> Job:
        """Waits until the job has ended. Returns its final state."""
        while True:
            now = next((each for each in self._all() if each.id == job.id), None)
            if now is None or not now.under_way:
                return now or job
            time.sleep(POLL_SECONDS)

    def logs(self, job: Job) -> str:
        """The driver's output so far."""
        with reaching(self.address):
            return self.client.get_job_logs(job.id)

    def follow(self, job: Job) -> Iterator[str]:
        """Yields the driver's output as it arrives, until the driver ends."""
        with reaching(self.address), asyncio.Runner() as runner:
            pieces = self.client.tail_job_logs(job.id)
            while (piece := runner.run(_next(pieces))) is not None:
                yield piece

    def _all(self) -> list[Job]:
        with reaching(self.address):
            found = self.client.list_jobs()
        return [
            Job(
                each.submission_id,
                each.status.value,
                each.message or "",
                (each.start_time or 0) / 1000,
                each.entrypoint or "",
            )
            for each in found
            if each.submission_id and self.whose.items() <= (each.metadata or {}).items()
        ]


async def _next(pieces: AsyncIterator[str]) -> str | None:
    """The next piece; None at the end."""
    return await anext(pieces, None)


def as_launched(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a driver's parameters for the commands that it prints: in a job, those of `launch`."""
    return {**params, "json": False, **json.loads(os.environ.get(LAUNCHED_VARIABLE, "{}"))}


@contextlib.contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turns the errors of a cluster that does not respond, or refuses our token, into ConfigurationError."""
    from ray.exceptions import RayError

    try:
        yield
    except (ConnectionError, RuntimeError, RayError) as error:
        message = " ".join(str(error).split())[:300]
        raise ConfigurationError(
            f"the cluster's dashboard at {address} returned an error: {message}"
        ) from error


@contextlib.contextmanager
def shipped(sweep: str) -> Iterator[tuple[Path, Path, list[Path]]]:
    """A folder with everything that a driver needs: the code, the sweep file and the plug-ins.

    Yields:
        The folder, and the paths of the sweep file and of the plug-ins in it.
    """
    path = Path(os.path.normpath(Path.cwd() / located(sweep)))
    files = {path: path.read_bytes(), **{plugin.path: plugin.text for plugin in PLUGINS.files}}
    root = Path(os.path.commonpath([file.parent for file in files]))
    sweep_file, *plugins = (Path(LAUNCHED) / file.relative_to(root) for file in files)
    with shipped_code() as folder:
        for file, text in zip((sweep_file, *plugins), files.values(), strict=True):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(text)
        yield folder, sweep_file, plugins


@contextlib.contextmanager
def shipped_code() -> Iterator[Path]:
    """A folder with a copy of this code."""
    with tempfile.TemporaryDirectory(prefix="calibsweep-ship-") as made:
        folder = Path(made)
        for floor in FLOORS:
            shutil.copytree(SOURCE / floor, folder / floor, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
        # Ray stores equal folders once, and may delete a finished job's folder while the next job uses it.
        (folder / ONCE).write_text(uuid.uuid4().hex, encoding="utf-8")
        yield folder
