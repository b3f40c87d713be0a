"""Reports the state of a started sweep: its running trials and, if launched, its job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cluster.jobs import Job
from orchestrator.use_cases.cost import Prices
from orchestrator.use_cases.launch import Target
from orchestrator.use_cases.plan import Plan, plan

LOG_LINES = 20


@dataclass(frozen=True)
class Status:
    """The state of a sweep.

    Attributes:
        plan: From the store, with the running trials.
        job: The latest job of a launched sweep; None if there is none.
        log: The last lines printed by the driver of a failed job.
    """

    plan: Plan
    job: Job | None = None
    log: tuple[str, ...] = ()

    @property
    def job_failed(self) -> bool:
        return self.job is not None and self.job.failed


def status(
    sweep: str, store: str = "store", overrides: Sequence[str] = (), prices: Prices | None = None
) -> Status:
    """Reports the state of a sweep from its store alone, wherever it runs.

    Raises:
        ConfigurationError: The sweep is invalid, or a price does not apply to it.
        StoreError: The store does not exist, or cannot be read.
    """
    return Status(plan(sweep, store, overrides, prices))


def status_of_launched(target: Target, prices: Prices | None = None) -> Status:
    """Reports the state of a launched sweep.

    Raises:
        ConfigurationError: As for `status`, or the cluster does not respond.
        StoreError: The store cannot be read. It need not exist yet: the job creates it.
    """
    with target.jobs() as jobs:
        job = jobs.latest()
        log = jobs.logs(job).splitlines()[-LOG_LINES:] if job and job.failed else []
    found = plan(target.sweep, target.store, target.overrides, prices, may_be_new=True)
    return Status(found, job, tuple(log))
