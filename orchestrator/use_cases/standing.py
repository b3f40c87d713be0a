"""How a sweep stands in a store, which `plan` and `run` both begin with."""

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
    """A sweep, its store, and where each trial stands there.

    Attributes:
        snapshot: The files of the store, listed once.
        found: Damage that an earlier look at every file found.
        survey: With that damage in it.
    """

    sweep: Sweep
    store: Store
    snapshot: Snapshot
    found: Mending
    survey: Survey

    @classmethod
    def of(cls, sweep: Sweep, store: Store) -> Standing:
        """Raises StoreError for a store that cannot be read."""
        found = mending(store, sweep.trials)
        snapshot = store.snapshot(sweep.trials, thorough=True)
        return cls(sweep, store, snapshot, found, found.added_to(take_survey(snapshot, sweep.trials)))

    @property
    def to_mend(self) -> bool:
        """Whether there is anything to be mended in the store."""
        return bool(self.survey.damaged or self.found.looked_at)

    @property
    def done(self) -> int:
        return self.survey.count(State.DONE)

    def again(self) -> Standing:
        """With the rows that lie in the store by now; the survey stays."""
        return dataclasses.replace(self, snapshot=self.snapshot.again())

    def to_run(self, retry_failed: bool = False) -> list[Trial]:
        """The trials that are neither done nor, unless asked for, failed by their own fault."""
        wanted = {State.MISSING, State.INTERRUPTED} | ({State.FAILED} if retry_failed else set())
        return [trial for trial in self.sweep.trials if self.survey.states[trial.key] in wanted]

    def estimates(self, wanted: Sequence[Trial], card: str | None = None, count: bool = True) -> Estimates:
        """How long each of `wanted` takes, by all that is known of it.

        Args:
            card: A part of the name of the GPU to take hours from; None for the latest that was measured.
            count: As for `Estimates`.

        Raises:
            ConfigurationError: No such card was measured.
        """
        gpus = self.sweep.gpus
        on_gpu = any(gpus[trial.key] > 0 for trial in wanted)
        record = gpu_records.chosen(card) if on_gpu else None
        return Estimates(self.snapshot.trials(), kept(self.store), on_gpu, gpus, record, count)
