"""`calibsweep launch`, `status`, `logs` and `stop`: a sweep whose driver is a job on a cluster."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console

from orchestrator.cluster import addresses
from orchestrator.cluster import launcher as clusters
from orchestrator.cluster.jobs import Job, Jobs
from orchestrator.commands import copied
from orchestrator.commands.base import app
from orchestrator.screen.terminal import busy
from orchestrator.use_cases import plan
from orchestrator.use_cases.cost import Prices
from results.wording import counted
from sweeps.expand import load
from trainables.errors import ConfigurationError
from trainables.shell import quoted

LOG_LINES = 20


@dataclass(frozen=True)
class Target:
    """Which sweep, and where: a cluster by its file or by the address of its dashboard."""

    sweep: str
    store: str
    overrides: tuple[str, ...]
    cluster: Path | None
    address: str | None

    def typed(self, command: str, **more: Any) -> str:
        """The line of another command about the same."""
        return copied.typed(command, vars(self), **more)

    @contextlib.contextmanager
    def jobs(self) -> Iterator[Jobs]:
        name = load(self.sweep, self.overrides).name
        if self.cluster:
            with clusters.dashboard(self.cluster) as address:
                yield Jobs(address, name, self.store)
        else:
            yield Jobs(self.address or "", name, self.store)


def target(
    sweep: str, store: str, overrides: Sequence[str], cluster: Path | None, address: str | None
) -> Target:
    """Raises ConfigurationError where it is not said which cluster, or what a cluster cannot reach."""
    if (cluster is None) == (address is None):
        raise ConfigurationError(
            "say which cluster: --cluster FILE of one that Ray's launcher makes, or --address of one that "
            "runs, for example http://127.0.0.1:8265."
        )
    if address is not None:
        addresses.check(address)
    _reachable_from_all_nodes("--store", store, "object storage (s3://, gs://) or ")
    return Target(sweep, store, tuple(overrides), cluster, address)


def launch(wanted: Target, data: str | None, retry_failed: bool, console: Console) -> int:
    """Submits the sweep's driver to the cluster. Returns the exit code, 0."""
    sweep = load(wanted.sweep, wanted.overrides)
    if data is not None:
        _reachable_from_all_nodes("--data", data, "")
    if wanted.cluster:
        clusters.up(wanted.cluster)
    options = ["--store", wanted.store]
    options += ["--data", data] if data is not None else []
    options += ["--retry-failed"] if retry_failed else []
    options += [part for override in wanted.overrides for part in ("--set", override)]
    with wanted.jobs() as jobs:
        before = jobs.latest()
        if before and before.under_way:
            raise ConfigurationError(
                f"{sweep.name} is under way already, as {before.id}: {wanted.typed('status')}"
            )
        cluster = None if wanted.cluster is None else str(wanted.cluster)
        job = jobs.submit(wanted.sweep, options, {"cluster": cluster, "address": wanted.address})
    console.print(
        f"{sweep.name}: {counted(len(sweep.trials), 'trial')}, launched as {job}. "
        "This terminal may be closed.",
        highlight=False,
        soft_wrap=True,
    )
    console.print("\nNext:", style="bold")
    again = wanted.typed("launch", data=data, retry_failed=retry_failed)
    for line, told in (
        (wanted.typed("status"), "what is done, running, failed and missing, and what the rest costs"),
        (wanted.typed("logs"), "what the driver prints, as it comes"),
        (wanted.typed("stop"), "ends it, with a checkpoint of every trial that runs"),
        (again, "once it has ended, or died: goes on with what is missing"),
    ):
        copied.show(console, line, told)
    _tell_dashboard(wanted, console)
    return 0


def status(wanted: Target, prices: Prices, console: Console) -> int:
    """Shows how the job stands, then the plan's view. Returns 0, or 1 where the job failed."""
    with wanted.jobs() as jobs:
        job = jobs.latest()
        told = jobs.logs(job).splitlines()[-LOG_LINES:] if job and job.status == "FAILED" else []
    if job is None:
        console.print("No job of this sweep and store on the cluster. To launch it:", highlight=False)
        copied.show(console, wanted.typed("launch"))
    else:
        console.print(_line(job), highlight=False, soft_wrap=True)
    for line in told:
        console.print(line, style="quiet", soft_wrap=True)
    _tell_dashboard(wanted, console)
    console.print()
    # A job that has just begun makes it.
    may_be_new = job is not None
    plan.show(wanted.sweep, wanted.store, list(wanted.overrides), False, prices, console, may_be_new)
    return int(job is not None and job.status == "FAILED")


def logs(wanted: Target, follow: bool, console: Console) -> int:
    """Prints what the driver printed, and goes on doing so until it ends. Returns 0."""

    def tell(text: str) -> None:
        console.print(text, end="", highlight=False, soft_wrap=True)

    with wanted.jobs() as jobs:
        job = _only(jobs, wanted)
        if follow:
            jobs.follow(job, tell)
        else:
            tell(jobs.logs(job))
    return 0


def stop(wanted: Target, console: Console) -> int:
    """Asks the driver to stop, and waits until it has. Returns 0."""
    with wanted.jobs() as jobs:
        job = _only(jobs, wanted)
        if not job.under_way:
            console.print(f"Nothing to stop: {_line(job)}", highlight=False, soft_wrap=True)
            return 0
        jobs.stop(job)
        with busy(console, "each trial that runs keeps a checkpoint"):
            ended = jobs.wait(job)
    console.print(_line(ended), highlight=False, soft_wrap=True)
    console.print("To go on:")
    copied.show(console, wanted.typed("launch", **_launched_with(job)))
    if wanted.cluster:
        console.print("The cluster's machines still run, and cost. To end them:", style="warning")
        copied.show(console, quoted("ray", "down", str(wanted.cluster)))
    return 0


def _only(jobs: Jobs, wanted: Target) -> Job:
    job = jobs.latest()
    if job is None:
        raise ConfigurationError(f"no job of this sweep and store on the cluster: {wanted.typed('launch')}")
    return job


def _launched_with(job: Job) -> dict[str, Any]:
    """What the driver of a job was given that only `launch` takes."""
    words = shlex.split(job.entrypoint)
    if "run" not in words:
        return {}
    given = app.commands["run"].make_context("run", words[words.index("run") + 1 :]).params
    return {name: given[name] for name in ("data", "retry_failed")}


def _line(job: Job) -> str:
    since = datetime.datetime.fromtimestamp(job.submitted)
    return f"{job.id}: {job.status.lower()}, submitted {since:%a %d %b %H:%M}. {job.message}"


def _tell_dashboard(wanted: Target, console: Console) -> None:
    where = quoted("ray", "dashboard", str(wanted.cluster)) if wanted.cluster else wanted.address
    told = f"Ray's dashboard (never open its port to the world): {where}"
    console.print(told, style="quiet", soft_wrap=True)


def _reachable_from_all_nodes(option: str, place: str, or_: str) -> None:
    if "://" not in place and not PurePosixPath(place).is_absolute():
        raise ConfigurationError(
            f"{option} {place}: on a cluster it must be {or_}the absolute path of a file system that all "
            "nodes share."
        )
