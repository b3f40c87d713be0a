"""The settings of a sweep that its workers need. Loads no torch: the driver writes them."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.registry.plugins import Plugin


@dataclass(frozen=True)
class WorkerSettings:
    """Settings of all workers of a sweep; the same for all trials.

    Attributes:
        run: Name of this run of the sweep within its cluster.
        plugins: Files with components, with their text: the worker's machine need not have them.
    """

    store: str
    data_root: str
    checkpoint_every: int
    checkpoint_minutes: float
    hours_per_trial: float | None
    stalled_minutes: float
    threads: int
    source_commit: str
    run: str
    plugins: tuple[Plugin, ...] = ()
