"""How a sweep that was started stands: what runs at this moment, and of a launched one its job."""

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
    """How a sweep stands.

    Attributes:
        plan: As the store tells it, with what runs at this moment.
        job: Of a launched sweep, the one submitted last; None where there is none.
        log: The last lines that the driver of a failed job printed.
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
    """How a sweep stands, by its store alone, wherever it runs.

    Raises:
        ConfigurationError: A sweep that is none, or a price that does not fit it.
        StoreError: There is no such store, or it cannot be read.
    """
    return Status(plan(sweep, store, overrides, prices))


def status_of_launched(target: Target, prices: Prices | None = None) -> Status:
    """How a launched sweep stands.

    Raises:
        ConfigurationError: Likewise, or a cluster that does not answer.
        StoreError: The store cannot be read. That it is not there yet is no mistake: the job makes it.
    """
    with target.jobs() as jobs:
        job = jobs.latest()
        log = jobs.logs(job).splitlines()[-LOG_LINES:] if job and job.failed else []
    found = plan(target.sweep, target.store, target.overrides, prices, may_be_new=True)
    return Status(found, job, tuple(log))
