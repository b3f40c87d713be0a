"""Reports the state of a started sweep or search: its running trials and, if launched, its job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cluster.jobs import Job
from orchestrator.search.source import SearchedTrials
from orchestrator.use_cases.cost import Prices
from orchestrator.use_cases.launch import Target, search_of
from orchestrator.use_cases.plan import Plan, plan
from results.store.running import running
from results.store.store import Store
from sweeps.spec import is_of_search, raw_file
from trainables.errors import ConfigurationError

LOG_LINES = 20


@dataclass(frozen=True)
class SearchState:
    """The state of a search in a store.

    Attributes:
        trials: Number of suggestions of the search.
        known: Number of the first suggestions whose results the store has.
        running: Number of running trials among the next.
    """

    search: str
    store: str
    trials: int
    known: int
    running: int


@dataclass(frozen=True)
class Status:
    """The state of a sweep or a search.

    Attributes:
        plan: Of a sweep, from the store, with the running trials.
        search: Of a search.
        job: The latest job of a launched one; None if there is none.
        log: The last lines printed by the driver of a failed job.
    """

    plan: Plan | None
    search: SearchState | None = None
    job: Job | None = None
    log: tuple[str, ...] = ()

    @property
    def job_failed(self) -> bool:
        return self.job is not None and self.job.failed


def status(
    sweep: str, store: str = "store", overrides: Sequence[str] = (), prices: Prices | None = None
) -> Status:
    """Reports the state of a sweep or a search from its store alone, wherever it runs.

    Raises:
        ConfigurationError: The file is invalid, or a price does not apply to it.
        StoreError: The store does not exist, or cannot be read.
    """
    return Status(*_state(sweep, store, overrides, prices))


def _state(
    file: str, store: str, overrides: Sequence[str], prices: Prices | None, may_be_new: bool = False
) -> tuple[Plan | None, SearchState | None]:
    if not is_of_search(raw_file(file)):
        return plan(file, store, overrides, prices, may_be_new=may_be_new), None
    checked = search_of(file, overrides)
    if prices and prices != Prices():
        raise ConfigurationError("--gpus and --price: only the trials of a sweep are known beforehand.")
    place = Store(store)
    if not may_be_new:
        place.check_place()
    source = SearchedTrials(checked, place)
    while source.next():
        pass
    runs = sum(key in source.open for key in running(place))
    return None, SearchState(checked.file.name, store, checked.file.trials, source.known, runs)


def status_of_launched(target: Target, prices: Prices | None = None) -> Status:
    """Reports the state of a launched sweep or search.

    Raises:
        ConfigurationError: As for `status`, or the cluster does not respond.
        StoreError: The store cannot be read. It need not exist yet: the job creates it.
    """
    with target.jobs() as jobs:
        job = jobs.latest()
        log = jobs.logs(job).splitlines()[-LOG_LINES:] if job and job.failed else []
    found = _state(target.sweep, target.store, target.overrides, prices, may_be_new=True)
    return Status(*found, job, tuple(log))
