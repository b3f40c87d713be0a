"""What a driver is to do: which trials, how, and where their data and results are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.driver.trial_source import TrialSource
from results.store.store import Store
from sweeps.spec import Run


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
