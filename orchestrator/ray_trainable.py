"""One trial inside a Ray actor: trains in steps that Tune sees, commits its own result, never raises."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune

from orchestrator.resources import bytes_requested, fraction_that_fits
from results import provenance
from results.checkpoints import StoredCheckpoints
from results.errors import StoreError
from results.rescore import commit_result, commit_scored
from results.scored_sets import lacking
from results.store import FailureClass, Store
from trainables.datasets.base import Dataset
from trainables.errors import TrialDiverged
from trainables.training import TrialRun, default_device, load_dataset
from trainables.trial import Component, Trial

REPORT_SECONDS = 1.0
"""At most one report a second from each trial: a report costs the driver time that trials could use."""

TRACEBACK_LINES = 30


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker of a sweep must know; the same for all trials."""

    store: str
    data_root: str
    checkpoint_every: int
    threads: int
    source_commit: str
    gpus: Mapping[str, float]


class RayTrial(tune.Trainable):
    """Trains the trial whose key Tune gives it.

    An exception of the trial's own code becomes a row in failures/ and a report, so that neither Tune retries
    it nor the process is lost: what Tune sees fail is the machinery alone.
    """

    def setup(  # type: ignore[override]  # the last two come from tune.with_parameters
        self, config: dict[str, Any], settings: WorkerSettings, trials: Mapping[str, Trial]
    ) -> None:
        self.settings = settings
        self.trials = trials
        self.store = Store(settings.store)
        self.checkpoints = StoredCheckpoints(self.store)
        self.loaded: tuple[Component, Dataset] | None = None
        torch.set_num_threads(settings.threads)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.trial = self.trials[new_config["key"]]
        self.run: TrialRun | None = None
        share = self.settings.gpus[self.trial.key]
        if torch.cuda.is_available() and 0 < share < 1:
            # A trial that takes more than its share fails by itself, and not the trials beside it.
            torch.cuda.set_per_process_memory_fraction(share)
        return True

    def step(self) -> dict[str, Any]:
        try:
            return self._train()
        except StoreError as error:
            return {"done": True, "outcome": "store", "message": str(error)}
        except TrialDiverged as error:
            return self._failed("diverged", error)
        except (torch.OutOfMemoryError, MemoryError) as error:
            return self._failed("out of memory", error, _what_would_have_fitted(str(error)))
        except Exception as error:
            return self._failed("bug", error)

    def _train(self) -> dict[str, Any]:
        deadline = time.monotonic() + REPORT_SECONDS
        if self.run is None:
            if self.store.is_done(self.trial) and not lacking(self.store, self.trial):
                # Another driver on this store was faster.
                return {"done": True, "outcome": "done", "epoch": self.trial.training.epochs}
            device = default_device()
            self.run = TrialRun.start(self.trial, self._dataset_on(device), device, self.checkpoints)
        while not self.run.done:
            self.run.advance()
            self.run.checkpoint_if_due(self.checkpoints, self.settings.checkpoint_every)
            if time.monotonic() > deadline and not self.run.done:
                return {"done": False, "outcome": "running", "epoch": self.run.epoch}
        source = provenance.of_trial(self.trial, self.settings.source_commit)
        result = self.run.result()
        for other in lacking(self.store, self.trial):
            scored = self.run.predictions_on(other, self.settings.data_root)
            commit_scored(self.store, result, other, scored, source)
        commit_result(self.store, result, source)
        self.checkpoints.delete(self.trial.key)
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

    def _failed(self, failure_class: FailureClass, error: BaseException, advice: str = "") -> dict[str, Any]:
        message = f"{type(error).__name__}: {error}".splitlines()[0] + advice
        lines = "".join(traceback.format_exception(error)).splitlines()
        told = "\n".join(lines[-TRACEBACK_LINES:])
        self.run = None
        try:
            self.store.record_failure(self.trial, failure_class, message, told, socket.gethostname())
            if failure_class != "out of memory":
                # Once its code is mended the trial starts anew: half a run by each code would be neither's.
                self.checkpoints.delete(self.trial.key)
        except StoreError as store_error:
            return {"done": True, "outcome": "store", "message": str(store_error)}
        return {"done": True, "outcome": "failed", "failure_class": failure_class, "message": message}


def _what_would_have_fitted(message: str) -> str:
    if not torch.cuda.is_available():
        return ""
    device = torch.cuda.current_device()
    total = torch.cuda.get_device_properties(device).total_memory
    fraction = fraction_that_fits(torch.cuda.max_memory_reserved(device), bytes_requested(message), total)
    if fraction is None:
        return " It fits on no GPU of this kind: make the batch smaller."
    return f" gpus: {fraction:g} would have fitted."
