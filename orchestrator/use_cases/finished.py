"""The finished trials of a store, with those expected of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables.evaluations import on_test_set
from results.wording import counted
from trainables.errors import ConfigurationError

if TYPE_CHECKING:
    from sweeps.expand import Sweep


@dataclass(frozen=True)
class Finished:
    """Attributes:
    sweep: None for all trials of the store.
    frame: One row per finished trial and evaluation.
    expected: The trials of the sweep; None without one.
    damaged: Full names of damaged rows of the store, which are omitted.
    """

    sweep: Sweep | None
    store: Store
    snapshot: Snapshot
    frame: pd.DataFrame
    expected: pd.DataFrame | None
    damaged: tuple[str, ...]

    @property
    def name(self) -> str:
        """That of the sweep; '' without one."""
        return self.sweep.name if self.sweep else ""


def finished(store: str, sweep: str | None, overrides: Sequence[str]) -> Finished:
    """Reads the finished trials of a store.

    Raises:
        ConfigurationError: The sweep or a setting is unknown, or no trial is finished.
        StoreError: The store does not exist, or cannot be read.
    """
    check_overrides(sweep, overrides)
    loaded = expected = None
    if sweep:
        # It takes as long to load as a store of a thousand trials.
        from sweeps.expand import expected_frame, load

        loaded = load(sweep, list(overrides))
        expected = expected_frame(loaded.trials)
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot(loaded.trials if loaded else None)
    frame = evaluations(opened, snapshot)
    damaged = tuple(opened.folder.name(path) for path in frame.attrs["damaged"])
    return Finished(loaded, opened, snapshot, frame, expected, damaged)


def check_overrides(sweep: str | None, overrides: Sequence[str]) -> None:
    """Raises ConfigurationError for settings without the sweep that they change."""
    if overrides and not sweep:
        raise ConfigurationError(f"--set {overrides[0]} needs a sweep: name it before the options.")


def evaluations(store: Store, snapshot: Snapshot) -> pd.DataFrame:
    """The evaluations of the finished trials. Raises ConfigurationError if there are none."""
    frame = snapshot.evaluations()
    if on_test_set(frame).empty:
        damaged = frame.attrs["damaged"]
        also = f", and {counted(len(damaged), 'damaged row')} (`store verify` lists them)" if damaged else ""
        raise ConfigurationError(
            f"no finished trial in the store {store.uri}{also}: run a sweep first, or choose another --store."
        )
    return frame
