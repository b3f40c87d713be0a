"""The workers of a trial with several GPUs: actors in the trial's own placement group, one GPU each.

Tune's own actor of such a trial trains nothing. It starts the workers and listens to them. If one dies or
fails, it ends the others, which could otherwise wait for it forever in a collective operation. All are in
Tune's placement group, so Tune counts their resources, and frees them when the trial stops.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from orchestrator.driver import last_words, notices, ray_private, worker_exit
from orchestrator.driver.deaths import Death, DeathError, autopsy
from orchestrator.driver.limits import Limits
from orchestrator.driver.reports import Done, Failed, Pruned, Report, Stopped, StoreLost, WorkersLost
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker import TrialWorker
from orchestrator.driver.worker_settings import WorkerSettings
from trainables.training.process_group import DistributedGroup, connect, listen
from trainables.training.run import default_device
from trainables.trial import Trial

GRACE_SECONDS = 5.0
"""How long the others have to report once a worker failed: the first to fail may not be the cause."""


class Member:
    """A worker in a process with its own GPU."""

    def __init__(self, settings: WorkerSettings):
        self.settings = settings
        self.worker: TrialWorker | None = None
        last_words.mark_exits()
        worker_exit.listen(self._leave)

    def _leave(self) -> None:
        if self.worker is None:
            worker_exit.end()
        self.worker.leave()

    def listen(self, size: int) -> tuple[str, int]:
        """Makes this the rendezvous of all workers. Returns its address and port."""
        address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        self.store = listen(address, size)
        return address, self.store.port

    def node(self) -> str:
        node: str = ray.get_runtime_context().get_node_id()
        return node

    def join(self, rank: int, size: int, address: str, port: int, nodes: list[str]) -> None:
        if rank:
            self.store = connect(address, port, size)
        group = DistributedGroup(self.store, rank, size, default_device())
        # Watch the nodes of all workers: the first saves the checkpoint, whichever node drains.
        requests = notices.watch(self.settings.run, nodes)
        watch = Watch(self.settings.stalled_minutes, self.settings.hours_per_trial)
        self.worker = TrialWorker(self.settings, requests, watch, group)

    def begin(self, trial: Trial, gpus: float, limits: Limits | None) -> None:
        assert self.worker is not None
        self.worker.watch.begin(trial.key)
        self.worker.begin(trial, gpus, limits)

    def step(self) -> Report:
        assert self.worker is not None
        return self.worker.step()

    def finish(self) -> Report:
        """Trains until the trial ends."""
        while not (report := self.step()).ended:
            pass
        return report


class WorkerGroup:
    """Acts as a `TrialWorker`, through several workers.

    Args:
        size: Number of workers: one per bundle of this process's placement group.

    Raises:
        ray.exceptions.RayError, DeathError: A worker cannot start, or died. Also from `step`.
    """

    def __init__(self, settings: WorkerSettings, size: int):
        group = ray.util.get_current_placement_group()
        assert group is not None
        self.members: list[Any] = []
        for index in range(size):
            bundle = group.bundle_specs[index]
            self.members.append(
                ray.remote(Member)
                .options(
                    num_cpus=bundle.get("CPU", 0),
                    num_gpus=bundle.get("GPU", 0),
                    scheduling_strategy=PlacementGroupSchedulingStrategy(
                        placement_group=group, placement_group_bundle_index=index
                    ),
                )
                .remote(settings)
            )
        first = self.members[0]
        address, port = ray.get(first.listen.remote(size))
        nodes = ray.get([member.node.remote() for member in self.members])
        ray.get([m.join.remote(rank, size, address, port, nodes) for rank, m in enumerate(self.members)])

    def begin(self, trial: Trial, gpus: float, limits: Limits | None) -> None:
        ray.get([member.begin.remote(trial, gpus, limits) for member in self.members])
        # Only the first worker reports on the way. The others keep its pace, since a step needs all of them.
        self.others = {member.finish.remote(): member for member in self.members[1:]}

    def step(self) -> Report:
        first = self.members[0].step.remote()
        members = {first: self.members[0], **self.others}
        waiting = list(members)
        while True:
            (ready,), waiting = ray.wait(waiting)
            report = _read(ready, members[ready])
            if isinstance(report, Death) or (
                report.ended and not isinstance(report, Done | Pruned | Stopped)
            ):
                break
            if ready == first:
                self.others = {reference: members[reference] for reference in waiting}
                return self._whole(report) if isinstance(report, Done | Pruned) else report
        ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=GRACE_SECONDS) if waiting else ([], [])
        return self._ended([report, *(_read(reference, members[reference]) for reference in ready)])

    def _whole(self, report: Done | Pruned) -> Report:
        """The first worker's report at the end of a trial, with the state that any worker left behind."""
        others = [_read(*other) for other in self.others.items()]
        if not all(isinstance(other, Done | Pruned) for other in others):
            # The result is stored; only the processes need replacing.
            self.dismiss()
        done = [report, *(other for other in others if isinstance(other, Done | Pruned))]
        return replace(report, left=tuple(dict.fromkeys(name for each in done for name in each.left)))

    def _ended(self, reports: list[Report | Death]) -> Report:
        """Picks the report with the reason for a failed trial's end."""
        self.dismiss()
        if deaths := [report for report in reports if isinstance(report, Death)]:
            raise DeathError(_together(deaths))
        for kind in (StoreLost, Failed):
            for report in reports:
                if isinstance(report, kind):
                    return report
        lost = next(report for report in reports if isinstance(report, WorkersLost))
        raise DeathError(Death(lost.message, counts=True))

    def dismiss(self) -> None:
        """Ends all workers at once."""
        for member in self.members:
            ray.kill(member)
        self.members = []


def _together(deaths: list[Death]) -> Death:
    """Combines the deaths of several workers: the most telling cause, with the last output of all."""
    cause = max(deaths, key=lambda death: (not death.counts, death.at_once, death.sure))
    left = "\n\n".join(death.traceback for death in deaths)
    return replace(cause, message=f"one of its workers: {cause.message}", traceback=left)


def _read(reference: Any, member: Any) -> Report | Death:
    try:
        report: Report = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        return autopsy(error, ray_private.actor_id(member))
    return report
