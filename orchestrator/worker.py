"""What trains a trial in a process: in steps, each of which tells how far it came. It knows no Ray."""

from __future__ import annotations

import socket
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from results import provenance
from results.checkpoints import StoredCheckpoints
from results.errors import StoreError
from results.rescore import commit_result, commit_scored
from results.scored_sets import lacking
from results.store import FailureClass, Store
from trainables import memory
from trainables.datasets.base import Dataset
from trainables.distributed import Alone, WorkerLostError
from trainables.errors import TrialDiverged
from trainables.training import TrialResult, TrialRun, default_device, load_dataset
from trainables.trial import Component, Trial

REPORT_SECONDS = 1.0
"""At most one report a second from each trial: a report costs the driver time that trials could use."""

TRACEBACK_LINES = 30

Report = dict[str, Any]
"""What a step tells: `done`, `outcome` and what belongs to it.

Outcomes: 'running' (epoch), 'done' (epoch, scores), 'failed' (failure_class, message, traceback, host),
'store' (message: results cannot be kept) and 'lost' (message: the trial's other workers are out of reach).
"""


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a sweep must know; the same for all trials."""

    store: str
    data_root: str
    checkpoint_every: int
    threads: int
    source_commit: str


class TrialWorker:
    """Trains a trial, alone or with others, and commits its result. Its methods raise nothing.

    Args:
        workers: Those that train together; only the first of them reads checkpoints and writes.
    """

    def __init__(self, settings: WorkerSettings, workers: Alone | None = None):
        self.settings = settings
        self.workers = workers or Alone()
        self.store = Store(settings.store)
        self.checkpoints = StoredCheckpoints(self.store)
        self.run: TrialRun | None = None
        self.loaded: tuple[Component, Dataset] | None = None
        torch.set_num_threads(settings.threads)

    def begin(self, trial: Trial, gpus: float) -> None:
        """Makes this the trial of the next steps.

        Args:
            gpus: What the whole trial has reserved.
        """
        self.trial, self.gpus = trial, gpus
        self.run = None

    def step(self) -> Report:
        """Trains for about a second, or to the end."""
        try:
            return self._train()
        except StoreError as error:
            return {"done": True, "outcome": "store", "message": str(error)}
        except WorkerLostError as error:
            return {"done": True, "outcome": "lost", "message": str(error)}
        except TrialDiverged as error:
            return self._failed("diverged", error)
        except (torch.OutOfMemoryError, MemoryError) as error:
            return self._failed("out of memory", error, memory.advice(self.gpus, default_device(), error))
        except Exception as error:
            return self._failed("bug", error)

    def _train(self) -> Report:
        deadline = time.monotonic() + REPORT_SECONDS
        first = self.workers.rank == 0
        if self.run is None:
            device = default_device()
            memory.limit(self.gpus, device)
            checkpoints = self.checkpoints if first else None
            self.run = TrialRun.start(self.trial, self._dataset_on(device), device, checkpoints, self.workers)
        while not self.run.done:
            self.run.advance()
            if first:
                self.run.checkpoint_if_due(self.checkpoints, self.settings.checkpoint_every)
            if time.monotonic() > deadline and not self.run.done:
                return {"done": False, "outcome": "running", "epoch": self.run.epoch}
        result = self.run.result()
        if first:
            result.measurements["gpus"] = self.gpus
            self._commit(self.run, result)
        last = self.run.epochs[self.run.reported_epoch]
        return {
            "done": True,
            "outcome": "done",
            "epoch": self.run.epoch,
            "test_error": last["test_error"],
            "test_ece": last["test_ece"],
        }

    def _dataset_on(self, device: torch.device) -> Dataset:
        """The trial's data set, which the trial before in this process has often left."""
        if self.loaded is None or self.loaded[0] != self.trial.dataset:
            # Two at once may be more than fits.
            self.loaded = None
            dataset = load_dataset(self.trial, Path(self.settings.data_root), device)
            self.loaded = self.trial.dataset, dataset
        return self.loaded[1]

    def _commit(self, run: TrialRun, result: TrialResult) -> None:
        source = provenance.of_trial(self.trial, self.settings.source_commit)
        for other in lacking(self.store, self.trial):
            scored = run.predictions_on(other, self.settings.data_root)
            commit_scored(self.store, result, other, scored, source)
        commit_result(self.store, result, source)
        self.checkpoints.delete(self.trial.key)

    def _failed(self, failure_class: FailureClass, error: BaseException, advice: str = "") -> Report:
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        lines = "".join(traceback.format_exception(error)).splitlines()
        self.run = None
        return {
            "done": True,
            "outcome": "failed",
            "failure_class": failure_class,
            "message": message + advice,
            "traceback": "\n".join(lines[-TRACEBACK_LINES:]),
            "host": socket.gethostname(),
        }
