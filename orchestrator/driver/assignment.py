"""What a driver is to do: which trials, how, and where their data and results are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.driver.trial_source import ListedTrials, TrialSource
from results.store.store import Store
from sweeps.expand import Sweep
from sweeps.spec import Run
from trainables.trial import Trial


@dataclass(frozen=True)
class Assignment:
    """The trials of a run, the settings of their training, and their places.

    Attributes:
        name: Of the sweep, for trackers and for the run's name in its cluster.
        settings: Settings that change no trial's numbers.
        store: Receives checkpoints and results.
        data_root: Folder of the data sets, on the machines that train.
    """

    name: str
    source: TrialSource
    settings: Run
    store: Store
    data_root: Path

    @classmethod
    def of(cls, sweep: Sweep, trials: Sequence[Trial], store: Store, data_root: Path) -> Assignment:
        """Some trials of a sweep, in this order."""
        source = ListedTrials(trials, sweep.gpus, sweep.run.cpus_per_trial)
        return cls(sweep.name, source, sweep.run, store, data_root)
