"""Trains a trial in steps, and reports after each. Independent of Ray."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from orchestrator.driver import ray_private, worker_exit
from orchestrator.driver.limits import Limits, values_of
from orchestrator.driver.notices import Notices
from orchestrator.driver.reports import (
    Done,
    Failed,
    Latest,
    Note,
    Pruned,
    Report,
    Running,
    Stopped,
    StoreLost,
    StoreRefused,
    WorkersLost,
)
from orchestrator.driver.stalls import Watch
from orchestrator.driver.worker_settings import WorkerSettings
from results.scoring.commit import commit_finished, epochs_table
from results.store import provenance, pruned
from results.store.checkpoints import StoredCheckpoints
from results.store.errors import StoreError
from results.store.store import FailureClass, Store
from results.store.tidying import NOTE
from trainables import computed
from trainables.catalogue import DATASETS, LOSSES, MODELS
from trainables.datasets.base import Dataset
from trainables.errors import TrialDiverged
from trainables.process_state.state import ProcessState
from trainables.registry.plugins import PLUGINS
from trainables.training import memory
from trainables.training.curves import Curves
from trainables.training.process_group import ProcessGroup, WorkerLostError
from trainables.training.result import TrialResult
from trainables.training.run import TrialRun, default_device, load_dataset
from trainables.trial import Component, Trial

REPORT_SECONDS = 1.0
"""Shortest interval between a trial's reports: each costs the driver time that trials could use."""

OUTAGE_SHARE = 0.5
"""Fraction of the stall limit for which a trial waits for an unreachable store."""

STEP_SECONDS = 15.0
"""Longest interval between a trial's reports. Within an epoch, the GPU idles during a report."""

TRACEBACK_LINES = 30


class TrialWorker:
    """Trains a trial, alone or with other workers, and commits its result. Its methods raise nothing.

    Args:
        watch: Ends this process if training stalls.
        group: The processes that train together. Only the first reads checkpoints and writes.
    """

    def __init__(
        self, settings: WorkerSettings, notices: Notices, watch: Watch, group: ProcessGroup | None = None
    ):
        PLUGINS.install(settings.plugins)
        self.settings = settings
        self.watch = watch
        self.notices = notices
        self.group = group or ProcessGroup()
        self.first = self.group.rank == 0
        self.store = Store(settings.store)
        # Below the stall limit, so that a trial waiting to store its checkpoint does not count as stalled.
        self.store.folder.wait_out_outages(seconds=OUTAGE_SHARE * 60 * watch.stalled_minutes)
        self.notes: list[Note] = []
        self.store.tidying.warn = lambda line: self.notes.append(Note(line, NOTE))
        self.checkpoints = StoredCheckpoints(self.store)
        self.run: TrialRun | None = None
        self.loaded: tuple[Component, Dataset] | None = None
        self.computed: dict[object, dict[str, list[float]]] = {}
        self.stepping = threading.Lock()
        torch.set_num_threads(settings.threads)
        memory.use_large_pages()
        self.process = ProcessState()
        notices.when_alone = self._keep_if_idle

    def begin(self, trial: Trial, gpus: float, limits: Limits | None = None) -> None:
        """Sets the trial of the next steps.

        Args:
            gpus: Number of GPUs reserved by the whole trial.
            limits: Where it stops early; None to train it to its end.
        """
        self.trial, self.gpus, self.limits = trial, gpus, limits
        self.run = None
        self.warned = self.refused = self.kept = False
        self.checkpointed = time.monotonic()
        asked = ((DATASETS, trial.dataset), (MODELS, trial.model), (LOSSES, trial.loss))
        self.process.begin(registry[component.name].module for registry, component in asked)

    def step(self) -> Report:
        """Trains for some seconds, or to the end of the trial."""
        with self.stepping:
            self.watch.batch()
            try:
                report = replace(self._step(), notes=tuple(self.notes))
                self.notes = []
                if report.ended:
                    return self._ended(report)
            finally:
                self.watch.rest()
            if self.notices.leaving:
                self._leave()
            return report

    def _ended(self, report: Report) -> Report:
        self.run = None
        left = self.process.end()
        if self.loaded and self.loaded[1].tensors != self.tensors:
            # The trial changed its data in place.
            self.loaded = None
        if self.notices.leaving:
            # Report the end of the trial first.
            worker_exit.end_later()
        return replace(report, left=left.lasting) if isinstance(report, Done | Pruned) else report

    def leave(self) -> None:
        """Ends this process once a checkpoint is saved. Any thread may call it."""
        self.notices.leaving = True
        # A step in progress checks `leaving` itself.
        if self.stepping.acquire(blocking=False):
            self._leave()
            self.stepping.release()

    def _keep_if_idle(self) -> None:
        # A step in progress notices the draining node and saves a checkpoint itself.
        if self.first and self.stepping.acquire(blocking=False):
            try:
                if self.run is not None:
                    self._keep_checkpoint(self.run)
            finally:
                self.stepping.release()

    def _leave(self) -> None:
        if not self.first:
            worker_exit.end_later()
            return
        try:
            if self.run is not None:
                self.run.checkpoint(self.checkpoints)
        finally:
            worker_exit.end()

    def _step(self) -> Report:
        try:
            return self._train()
        except StoreError as error:
            # Report it before the retry, so that other trials need not fail in the same way.
            last, self.refused = self.refused or self.run is None, True
            return StoreLost(str(error), self.kept) if last else StoreRefused(str(error))
        except WorkerLostError as error:
            return WorkersLost(str(error))
        except TrialDiverged as error:
            return self._failed("diverged", error)
        except Exception as error:
            if memory.is_exhausted(error):
                return self._failed("out of memory", error, memory.advice(self.gpus, default_device(), error))
            return self._failed("bug", error)
        except SystemExit as error:
            if ray_private.is_own_exit(error):
                raise
            return self._failed("bug", error)

    def _train(self) -> Report:
        started = time.monotonic()
        if self.first and self.notices.stopping and self.run is None:
            return Stopped(0)
        if self.refused and self.first and self.run is not None:
            self.run.checkpoint(self.checkpoints)
            self.kept = True
            if not self.run.done:
                return Stopped(self.run.epoch)
        if self.run is None:
            device = default_device()
            memory.limit(self.gpus, device)
            checkpoints = self.checkpoints if self.first else None
            self.run = TrialRun.start(self.trial, self._dataset_on(device), device, checkpoints, self.group)
            self.run.on_batch = self.watch.batch
            self._report_unusable(self.run)
            self._epoch_done(self.run)

        def pause() -> bool:
            # Only the first of several workers pauses. The others then wait for it in their next batch.
            return self.first and (self._is_checkpoint_due() or time.monotonic() > started + STEP_SECONDS)

        while not self.run.done:
            if stopped := self._pruned(self.run):
                return stopped
            within_epoch = self.run.advance_until(pause) is None
            if not within_epoch:
                self._epoch_done(self.run)
            if self.first and not self.run.done:
                self._keep_checkpoint(self.run)
                if self.notices.stopping:
                    return Stopped(self.run.epoch)
                if self.notices.leaving:
                    worker_exit.end()
            late = time.monotonic() > started + (STEP_SECONDS if within_epoch else REPORT_SECONDS)
            if late and not self.run.done:
                return Running(_latest(self.run), self.watch.patience_seconds)
        result = self.run.result()
        if self.first:
            result.measurements["gpus"] = self.gpus
            if not self._commit(self.run, result):
                return Done(_latest(self.run))
        counts = self.run.epochs[self.run.reported.epoch]
        summaries = {part: self.run.task.summary(counts, part) for part in ("validation", "test")}
        return Done(_latest(self.run), summaries)

    def _pruned(self, run: TrialRun) -> Pruned | None:
        """Stops a trial that has broken a limit: stores its curves and deletes its checkpoints."""
        if self.limits is None or run.batches:
            return None
        values = values_of(run.epochs, self.limits.curve)
        # Numbers of several workers may differ in last digits: the first decides for all.
        if self.group.broadcast(b"1" if self.limits.stopped_after(values) else b"0") == b"0":
            return None
        if self.first:
            pruned.keep(self.store, self.trial, epochs_table(run.epochs))
            self.checkpoints.delete(self.trial.key)
        return Pruned(_latest(run), tuple(values))

    def _report_unusable(self, run: TrialRun) -> None:
        if self.first and self.checkpoints.passed_over:
            reasons = "; ".join(self.checkpoints.passed_over)
            start = f"resumes from epoch {run.epoch}" if run.epoch or run.batches else "starts from scratch"
            self.notes.append(Note(f"{self.trial}: unusable checkpoint, {reasons}; it {start}"))

    def _is_checkpoint_due(self) -> bool:
        overdue = time.monotonic() > self.checkpointed + 60 * self.settings.checkpoint_minutes
        requested = self.notices.stopping or self.notices.leaving
        return overdue or requested or (self.notices.draining and not self.warned)

    def _keep_checkpoint(self, run: TrialRun) -> None:
        if self._is_checkpoint_due():
            run.checkpoint(self.checkpoints)
            self.warned = self.notices.draining
        elif not run.checkpoint_if_due(self.checkpoints, self.settings.checkpoint_every):
            return
        self.checkpointed = time.monotonic()

    def _epoch_done(self, run: TrialRun) -> None:
        if run.epoch:
            self.watch.epoch(run.seconds / run.epoch)

    def _dataset_on(self, device: torch.device) -> Dataset:
        """The trial's data set, often still loaded from the previous trial in this process."""
        if self.loaded is None or self.loaded[0] != self.trial.dataset:
            # Two at once may not fit in memory.
            self.loaded = None
            dataset = load_dataset(self.trial, Path(self.settings.data_root), device)
            self.loaded = self.trial.dataset, dataset
            self.tensors = dataset.tensors
        return self.loaded[1]

    def _computed(self, dataset: Dataset) -> dict[str, list[float]]:
        """The numbers that the trial's code computes; the same for all trials of a cell.

        Call it after training: the components may change global state, which training would see.
        """
        code = self.trial.dataset, self.trial.model, self.trial.loss, self.trial.training
        if code not in self.computed:
            self.computed[code] = computed.numbers(self.trial, dataset, clean=self.process.end)
        return self.computed[code]

    def _commit(self, run: TrialRun, result: TrialResult) -> bool:
        made_by = self._computed(run.dataset)
        source = provenance.of_trial(self.trial, self.settings.source_commit, made_by)
        committed = commit_finished(
            self.store, result, lambda other: run.predictions_on(other, self.settings.data_root), source
        )
        self.checkpoints.delete(self.trial.key)
        return committed

    def _failed(self, failure_class: FailureClass, error: BaseException, advice: str = "") -> Report:
        try:
            message = f"{type(error).__name__}: {error}".splitlines()[0]
        except Exception:
            # The `__str__` of a plug-in's error may fail.
            message = type(error).__name__
        lines = "".join(traceback.format_exception(error)).splitlines()
        self.run = None
        last = "\n".join(lines[-TRACEBACK_LINES:])
        return Failed(failure_class, _storable(message + advice), _storable(last), socket.gethostname())


def _storable(text: str) -> str:
    """Escapes characters that UTF-8 cannot encode, such as those of half-decoded file names, as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _latest(run: TrialRun) -> Latest:
    curves = _numbers(run.epochs[-1]) if run.epochs else {}
    return Latest(run.epoch, curves, run.seconds / run.epoch if run.epoch else None)


def _numbers(curves: Curves) -> dict[str, float]:
    """The curves that are a number in an epoch."""
    return {name: value for name, value in curves.items() if isinstance(value, int | float)}
