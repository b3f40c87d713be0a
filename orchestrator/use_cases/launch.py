"""A sweep whose driver is a job on a cluster: launched, followed and stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.cluster import addresses, launcher
from orchestrator.cluster.jobs import Job, Jobs
from sweeps.expand import load
from trainables.errors import ConfigurationError


@dataclass(frozen=True)
class Target:
    """A sweep on a cluster, which is named by its file or by the address of its dashboard.

    Attributes:
        store: A place that all nodes of the cluster reach.
        overrides: Settings as --set takes them: 'training.epochs=3'.
        cluster: The file that Ray's launcher makes the cluster from.

    Raises:
        ConfigurationError: No cluster or two are named, or a place that a cluster cannot reach.
    """

    sweep: str
    store: str
    overrides: tuple[str, ...] = ()
    cluster: Path | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.cluster is None) == (self.address is None):
            raise ConfigurationError(
                "say which cluster: --cluster FILE of one that Ray's launcher makes, or --address of one "
                "that runs, for example http://127.0.0.1:8265."
            )
        if self.address is not None:
            addresses.check(self.address)
        _check_reachable("--store", self.store, "object storage (s3://, gs://) or ")

    @contextlib.contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """The jobs of the sweep and store there.

        Raises:
            ConfigurationError: A sweep that is none, or a cluster that does not answer.
        """
        name = load(self.sweep, self.overrides).name
        if self.cluster:
            with launcher.dashboard(self.cluster) as address:
                yield Jobs(address, name, self.store)
        else:
            yield Jobs(self.address or "", name, self.store)


class UnderWayError(ConfigurationError):
    """The sweep was launched before, and its job has not ended."""


class NoJobError(ConfigurationError):
    """No job of the sweep and store is on the cluster."""


@dataclass(frozen=True)
class Launched:
    """A sweep whose driver was submitted.

    Attributes:
        trials: Of the sweep, finished ones too.
        job: The id that the cluster gave it.
    """

    sweep: str
    trials: int
    job: str


@dataclass(frozen=True)
class Stopped:
    """A job that has ended.

    Attributes:
        was_under_way: Whether it ran until it was asked to stop now.
    """

    job: Job
    was_under_way: bool


def launch(target: Target, data: Path | None = None, retry_failed: bool = False) -> Launched:
    """Submits the sweep's driver to the cluster, with the code at hand. Makes the cluster of a file first.

    Args:
        data: Where data sets lie on the cluster's machines.
        retry_failed: Also runs trials that failed by their own fault.

    Raises:
        UnderWayError: It runs already.
        ConfigurationError: A sweep that is none, a place that not all nodes reach, or a cluster that does not
            start or answer.
    """
    sweep = load(target.sweep, target.overrides)
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
            raise UnderWayError(f"{sweep.name} is under way already, as {before.id}")
        cluster = None if target.cluster is None else str(target.cluster)
        job = jobs.submit(target.sweep, options, {"cluster": cluster, "address": target.address})
    return Launched(sweep.name, len(sweep.trials), job)


def logs(target: Target, follow: bool = True) -> Iterator[str]:
    """Yields what the driver printed.

    Args:
        follow: Goes on as it prints more, until it ends.

    Raises:
        NoJobError: There is no driver.
        ConfigurationError: A cluster that does not answer.
    """
    with target.jobs() as jobs:
        job = _latest(jobs)
        if follow:
            yield from jobs.follow(job)
        else:
            yield jobs.logs(job)


def stop(target: Target) -> Stopped:
    """Asks the driver to stop, and waits until all that runs has a checkpoint and the driver has ended.

    Raises:
        NoJobError: There is no driver.
        ConfigurationError: A cluster that does not answer.
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
    """Raises ConfigurationError for a place that the nodes of a cluster do not share."""
    if "://" not in place and not PurePosixPath(place).is_absolute():
        raise ConfigurationError(
            f"{option} {place}: on a cluster it must be {or_}the absolute path of a file system that all "
            "nodes share."
        )
