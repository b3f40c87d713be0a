"""Launches, follows and stops a sweep or a search whose driver is a job on a cluster."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.cluster import addresses, launcher
from orchestrator.cluster.jobs import Job, Jobs
from sweeps import search
from sweeps.expand import load
from sweeps.spec import is_of_search, raw_file
from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class Work:
    """What the driver of a file does.

    Attributes:
        command: 'run' for a sweep, or 'search'.
        name: Of the sweep or the search.
        trials: Number of its trials, finished ones included.
    """

    command: str
    name: str
    trials: int

    @classmethod
    def of(cls, file: str, overrides: Sequence[str]) -> Work:
        """The work of a sweep or search file, or of a bundled sweep.

        Raises:
            ConfigurationError: The file is invalid, or settings are changed of a search.
        """
        if not is_of_search(raw_file(file)):
            sweep = load(file, overrides)
            return cls("run", sweep.name, len(sweep.trials))
        checked = search_of(file, overrides).file
        return cls("search", checked.name, checked.trials)


def search_of(file: str, overrides: Sequence[str]) -> search.Search:
    """The search of a file.

    Raises:
        ConfigurationError: The file is invalid, or settings are changed.
    """
    if overrides:
        raise ConfigurationError(f"--set {overrides[0]}: {file} is a search file: edit a copy of it.")
    return search.load(file)


@dataclass(frozen=True)
class Target:
    """A sweep or a search on a cluster, given by the cluster's file or its dashboard's address.

    Attributes:
        sweep: A sweep or search file, or the name of a bundled sweep.
        store: Folder or URI that all nodes of the cluster can reach.
        overrides: Settings as for --set: 'training.epochs=3'.
        cluster: File for Ray's cluster launcher.

    Raises:
        ConfigurationError: No cluster or two are given, or the nodes cannot reach the store.
    """

    sweep: str
    store: str
    overrides: tuple[str, ...] = ()
    cluster: Path | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.cluster is None) == (self.address is None):
            raise ConfigurationError(
                "give a cluster: --cluster FILE for Ray's cluster launcher, or --address of a running "
                "one, such as http://127.0.0.1:8265."
            )
        if self.address is not None:
            addresses.check(self.address)
        _check_reachable("--store", self.store, "object storage (s3://, gs://) or ")

    @functools.cached_property
    def work(self) -> Work:
        """Raises ConfigurationError for an invalid file."""
        return Work.of(self.sweep, self.overrides)

    @contextlib.contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """The cluster's jobs of this sweep or search and store.

        Raises:
            ConfigurationError: The file is invalid, or the cluster does not respond.
        """
        command, name = self.work.command, self.work.name
        if self.cluster:
            with launcher.dashboard(self.cluster) as address:
                yield Jobs(address, command, name, self.store)
        else:
            yield Jobs(self.address or "", command, name, self.store)


class UnderWayError(ConfigurationError):
    """The sweep was launched already, and its job has not ended."""


class NoJobError(ConfigurationError):
    """The cluster has no job of the sweep and store."""


@dataclass(frozen=True)
class Launched:
    """A sweep or a search whose driver was submitted.

    Attributes:
        sweep: Its name.
        trials: Number of its trials, finished ones included.
        job: Its id on the cluster.
    """

    sweep: str
    trials: int
    job: str


@dataclass(frozen=True)
class Logs:
    """The output of a sweep's driver.

    Attributes:
        job: Its state when the output was read.
    """

    job: Job
    output: str


@dataclass(frozen=True)
class Stopped:
    """A job that has ended.

    Attributes:
        was_under_way: Whether it was running when asked to stop.
    """

    job: Job
    was_under_way: bool


def launch(target: Target, data: Path | None = None, retry_failed: bool = False) -> Launched:
    """Submits the driver, with this code, to the cluster. Starts the cluster of a file first.

    Args:
        data: Folder of the data sets on the cluster's machines.
        retry_failed: Also run trials that failed by their own fault.

    Raises:
        UnderWayError: It is running already.
        ConfigurationError: The file is invalid, not all nodes can reach a folder, or the cluster does not
            start or respond.
    """
    work = target.work
    if retry_failed and work.command != "run":
        raise ConfigurationError("--retry-failed: a search does not repeat failed trials.")
    if data is not None:
        _check_reachable("--data", str(data), "")
    if target.cluster:
        launcher.up(target.cluster)
    options = ["--store", target.store]
    options += ["--data", str(data)] if data is not None else []
    options += ["--retry-failed"] if retry_failed else []
    options += [part for override in target.overrides for part in ("--set", override)]
    with target.jobs() as jobs:
        before = jobs.latest()
        if before and before.under_way:
            raise UnderWayError(f"{work.name} is already running as {before.id}")
        cluster = None if target.cluster is None else str(target.cluster)
        job = jobs.submit(target.sweep, options, {"cluster": cluster, "address": target.address})
    return Launched(work.name, work.trials, job)


def logs(target: Target, follow: bool = True, show: Callable[[str], object] | None = None) -> Logs:
    """Collects the driver's output.

    Args:
        follow: Wait for new output until the driver ends.
        show: Called with each piece of the output as it arrives.

    Raises:
        NoJobError: There is no driver.
        ConfigurationError: The cluster does not respond.
    """
    with target.jobs() as jobs:
        job = _latest(jobs)
        pieces = []
        for piece in jobs.follow(job) if follow else [jobs.logs(job)]:
            pieces.append(piece)
            if show:
                show(piece)
        return Logs(jobs.wait(job) if follow else job, "".join(pieces))


def stop(target: Target) -> Stopped:
    """Asks the driver to stop, and waits until all running trials have checkpoints and the driver has ended.

    Raises:
        NoJobError: There is no driver.
        ConfigurationError: The cluster does not respond.
    """
    with target.jobs() as jobs:
        job = _latest(jobs)
        if not job.under_way:
            return Stopped(job, was_under_way=False)
        jobs.stop(job)
        return Stopped(jobs.wait(job), was_under_way=True)


def _latest(jobs: Jobs) -> Job:
    job = jobs.latest()
    if job is None:
        raise NoJobError("no job of this sweep and store on the cluster")
    return job


def _check_reachable(option: str, place: str, or_: str) -> None:
    """Raises ConfigurationError for a folder or URI that the nodes of a cluster do not share."""
    if "://" not in place and not PurePosixPath(place).is_absolute():
        raise ConfigurationError(
            f"{option} {place}: on a cluster it must be {or_}the absolute path of a file system that all "
            "nodes share."
        )
