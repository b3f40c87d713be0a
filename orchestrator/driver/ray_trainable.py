"""A trial as a Tune actor, which trains in steps, by itself or through a group of workers.

The driver loads this class too, but never torch, which takes seconds: only its methods load the workers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from orchestrator.cluster.placement import Needs
from orchestrator.driver import last_words, notices, worker_exit
from orchestrator.driver.limits import Limits
from orchestrator.driver.reports import Done, Failed, Latest, Note, Pruned, Report, Running, StoreLost
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker_settings import WorkerSettings
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.store import Store
from results.store.tidying import NOTE
from trainables.registry.plugins import PLUGINS
from trainables.trial import Trial

if TYPE_CHECKING:
    from orchestrator.driver.worker import TrialWorker
    from orchestrator.driver.worker_group import WorkerGroup


class RayTrial(tune.Trainable):
    """Trains the trial of its config.

    An exception in the trial's own code becomes a row in failures/ and a report, so that Tune does not retry
    it and the process survives. Tune sees only failures of the machinery.
    """

    def setup(  # type: ignore[override]  # the last comes from tune.with_parameters
        self, config: dict[str, Any], settings: WorkerSettings
    ) -> None:
        # Here, so that a machine without one of their imports cannot start any trial, and says so at once.
        import orchestrator.driver.worker_group  # noqa: F401

        PLUGINS.install(settings.plugins)
        self.settings = settings
        self.store = Store(settings.store)
        self.store.folder.wait_out_outages()
        self.notes: list[Note] = []
        self.store.tidying.warn = lambda line: self.notes.append(Note(line, NOTE))
        self.checkpoints = StoredCheckpoints(self.store)
        self.alone: TrialWorker | None = None
        self.group: WorkerGroup | None = None
        worker_exit.listen(self._leave)
        self.watch = Watch(settings.stalled_minutes, settings.hours_per_trial)
        self.node = ray.get_runtime_context().get_node_id()
        last_words.mark_exits()
        self.reset_config(config)

    def _leave(self) -> None:
        if self.group:
            # Its members get the same signal, and may still save a checkpoint.
            worker_exit.end_later()
        elif self.alone:
            self.alone.leave()
        else:
            worker_exit.end()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.trial: Trial = new_config["trial"]
        self.needs: Needs = new_config["needs"]
        self.limits: Limits | None = new_config["limits"]
        self.begun = False
        return True

    def step(self) -> dict[str, Any]:
        try:
            report = self._advance()
        except StoreError as error:
            self.watch.rest()
            report = StoreLost(str(error))
        report = replace(report, node=self.node, notes=(*report.notes, *self.notes))
        self.notes = []
        return for_tune(report, self._reusable(report))

    def _advance(self) -> Report:
        if not self.begun:
            self.watch.begin(self.trial.key)
            if self.store.is_done(self.trial):
                # Another driver on this store was faster.
                self.watch.rest()
                return Done(Latest(self.trial.training.epochs))
            if self.needs.workers > 1:
                # Each of several workers has its own watch.
                self.watch.rest()
            self._worker().begin(self.trial, self.needs.total_gpus, self.limits)
            self.begun = True
        report = self._worker().step()
        if isinstance(report, Failed):
            self.store.record_failure(
                self.trial, report.failure_class, report.message, report.traceback, report.host
            )
            if report.failure_class != "out of memory":
                # After a fix of its code the trial must start from scratch, not mix two versions of the code.
                self.checkpoints.forbid(self.trial.key)
        return report

    def _reusable(self, report: Report) -> bool:
        """Whether this process may train the next trial."""
        if not report.ended or (isinstance(report, Done | Pruned) and not report.left):
            return True
        if self.group:
            # End the processes that trained it. This process did not.
            self._dismiss()
            return True
        return False

    def _worker(self) -> TrialWorker | WorkerGroup:
        if self.needs.workers > 1:
            from orchestrator.driver.worker_group import WorkerGroup

            self.group = self.group or WorkerGroup(self.settings, self.needs.workers)
            return self.group
        from orchestrator.driver.worker import TrialWorker

        self.alone = self.alone or TrialWorker(
            self.settings, notices.watch(self.settings.run, [self.node]), self.watch
        )
        return self.alone

    def cleanup(self) -> None:
        self._dismiss()

    def _dismiss(self) -> None:
        if self.group:
            self.group.dismiss()
        self.alone = self.group = None


def for_tune(report: Report, reusable: bool) -> dict[str, Any]:
    """Converts a report to a Tune result, with the numbers of the latest epoch for Ray's own callbacks."""
    figures: dict[str, Any] = {}
    if isinstance(report, Running | Done | Pruned):
        latest = report.latest
        figures = {**latest.curves, "epoch": latest.epoch, "seconds_per_epoch": latest.seconds_per_epoch}
    return {**figures, "done": report.ended, "reusable": reusable, "report": report}
