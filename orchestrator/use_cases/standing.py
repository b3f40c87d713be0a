"""The state of a sweep in a store, where both `plan` and `run` begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cluster.estimates import Estimates
from results import gpu_records
from results.store.mending import Mending, mending
from results.store.pilots import kept
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.store.survey import State, Survey
from results.store.survey import survey as take_survey
from sweeps.expand import Sweep
from trainables.trial import Trial


@dataclass(frozen=True)
class Standing:
    """A sweep, its store, and the state of each trial.

    Attributes:
        snapshot: The files of the store, listed once.
        found: Damage found by an earlier inspection of every file.
        survey: Includes that damage.
    """

    sweep: Sweep
    store: Store
    snapshot: Snapshot
    found: Mending
    survey: Survey

    @classmethod
    def of(cls, sweep: Sweep, store: Store) -> Standing:
        """Raises StoreError if the store cannot be read."""
        found = mending(store, sweep.trials)
        snapshot = store.snapshot(sweep.trials, thorough=True)
        return cls(sweep, store, snapshot, found, found.added_to(take_survey(snapshot, sweep.trials)))

    @property
    def to_mend(self) -> bool:
        """Whether the store needs mending."""
        return bool(self.survey.damaged or self.found.looked_at)

    @property
    def done(self) -> int:
        return self.survey.count(State.DONE)

    def again(self) -> Standing:
        """Reads the rows of the store again, and keeps the survey."""
        return dataclasses.replace(self, snapshot=self.snapshot.again())

    def to_run(self, retry_failed: bool = False) -> list[Trial]:
        """The trials that are not done and have not failed by their own fault.

        Args:
            retry_failed: Include those that have.
        """
        wanted = {State.MISSING, State.INTERRUPTED} | ({State.FAILED} if retry_failed else set())
        return [trial for trial in self.sweep.trials if self.survey.states[trial.key] in wanted]

    def estimates(self, wanted: Sequence[Trial], card: str | None = None, count: bool = True) -> Estimates:
        """Estimates the duration of each trial in `wanted`.

        Args:
            card: Part of the name of the measured GPU to use; None for the latest measured.
            count: As for `Estimates`.

        Raises:
            ConfigurationError: No such card was measured.
        """
        gpus = self.sweep.gpus
        on_gpu = any(gpus[trial.key] > 0 for trial in wanted)
        record = gpu_records.chosen(card) if on_gpu else None
        return Estimates(self.snapshot.trials(), kept(self.store), on_gpu, gpus, record, count)
