"""A sweep in its store, with which both `plan` and `run` begin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cluster.estimates import Estimates
from results import gpu_records
from results.store.mending import Mending, mend, mending
from results.store.pilots import kept
from results.store.processor import has_bfloat16
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.store.survey import State, Survey
from results.store.survey import survey as take_survey
from sweeps.expand import Sweep
from trainables.trial import Trial


@dataclass(eq=False)
class Standing:
    """A sweep, its store, and the state of each trial there: read on first use, and then kept.

    Raises:
        StoreError: In each method: the store cannot be read.
    """

    sweep: Sweep
    store: Store

    @functools.cached_property
    def snapshot(self) -> Snapshot:
        """The files of the store, listed once."""
        return self.store.snapshot(self.sweep.trials, thorough=True)

    @functools.cached_property
    def found(self) -> Mending:
        """Damage found by an earlier inspection of every file."""
        return mending(self.store, self.sweep.trials)

    @functools.cached_property
    def survey(self) -> Survey:
        """The state of each trial at first use. Includes the damage found earlier."""
        return self.found.added_to(take_survey(self.snapshot, self.sweep.trials))

    @property
    def to_mend(self) -> bool:
        """Whether the store needs mending."""
        return bool(self.survey.damaged or self.found.inspected)

    @property
    def done(self) -> int:
        return self.survey.count(State.DONE)

    @property
    def finished(self) -> set[str]:
        """Keys of the trials with all their rows: a quick look, without the digests of their data."""
        rows = set(self.snapshot.evaluations()["key"])
        return {
            trial.key
            for trial in self.sweep.trials
            if rows >= {trial.key_on(each) for each in (None, *trial.evaluations)}
        }

    def read_again(self) -> None:
        """Reads the rows that are new in the store, and keeps the survey."""
        self.snapshot = self.snapshot.again()

    def mend(self) -> dict[str, str]:
        """Repairs the store, as far as the sweep is concerned.

        Returns:
            Reasons why trials cannot be recomputed now, by key: their damaged files could not be moved.

        Raises:
            StoreError: The store cannot be written.
        """
        stuck = mend(self.store, self.survey, self.found)
        if self.to_mend:
            self.read_again()
        return stuck

    def to_run(self, retry_failed: bool = False) -> list[Trial]:
        """The trials that are not done and have not failed by their own fault.

        Args:
            retry_failed: Include those that have.
        """
        states = {State.MISSING, State.INTERRUPTED} | ({State.FAILED} if retry_failed else set())
        return [trial for trial in self.sweep.trials if self.survey.states[trial.key] in states]

    def slow_in_bfloat16(self, trials: Sequence[Trial]) -> int:
        """The number of these trials in bfloat16 on this machine's CPU if that lacks it; else 0."""
        gpus = self.sweep.gpus
        on_cpu = [t for t in trials if t.training.precision == "bfloat16" and not gpus[t.key]]
        return len(on_cpu) if on_cpu and has_bfloat16() is False else 0

    def estimates(self, trials: Sequence[Trial], card: str | None = None, count: bool = True) -> Estimates:
        """Estimates the duration of each of these trials.

        Args:
            card: Part of the name of the measured GPU to use; None for the latest measured.
            count: As for `Estimates`.

        Raises:
            ConfigurationError: No such card was measured.
        """
        gpus = self.sweep.gpus
        on_gpu = any(gpus[trial.key] > 0 for trial in trials)
        record = gpu_records.chosen(card) if on_gpu else None
        return Estimates(self.snapshot.trials(), kept(self.store), on_gpu, gpus, record, count)
