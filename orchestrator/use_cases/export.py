"""Exports the stored predictions of a sweep for the tools of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import calarena
from results.calarena import Benchmark
from results.figures.reading import cells_of
from results.store.store import Store
from results.tables.evaluations import on_test_set
from sweeps.expand import expected_frame, load


@dataclass(frozen=True)
class Exported:
    """Attributes:
    benchmarks: Those written, one for two classes and one for more.
    missing: Number of the sweep's trials that are not finished, or not of classification.
    """

    benchmarks: tuple[Benchmark, ...]
    missing: int


def export_calarena(
    sweep: str,
    store: str = "store",
    *,
    folder: Path | str = "calarena",
    overrides: Sequence[str] = (),
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Exported:
    """Writes the finished trials of a sweep as benchmarks of CalArena (see `results.calarena`).

    Args:
        sweep: A sweep file, or the name of a bundled one.
        folder: Made if it does not exist. Files of the same name are replaced.
        overrides: Settings of the sweep, as for `--set`.
        progress: Called after each trial with the number written and the total.

    Raises:
        ConfigurationError: No trial is finished, or the package h5py is not installed.
        StoreError: The store cannot be read.
        DataError: The folder cannot be written.
    """
    loaded = load(sweep, list(overrides))
    expected = expected_frame(loaded.trials)
    opened = Store(store)
    opened.check_place()
    cells = cells_of(opened, opened.snapshot(loaded.trials), expected)
    benchmarks = calarena.export(cells, loaded.name, Path(folder), progress)
    written = sum(each.experiments for each in benchmarks)
    return Exported(benchmarks, len(on_test_set(expected)) - written)
