"""Compares the published numbers with the trials of a store. Loads neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.use_cases.finished import check_overrides, finished
from results.comparison.rendering import render
from results.comparison.verdicts import Counts, Row, counts
from results.comparison.verdicts import compare as judged
from results.scoring.layer import filled
from results.store.store import Store
from results.tables.evaluations import on_test_set
from results.tables.published import published

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """Attributes:
    store: Its address.
    counts: Published numbers by outcome.
    rows: The numbers, by paper, data set, network, metric and scaling.
    damaged: Full names of damaged rows of the store, which are omitted.
    """

    store: str
    counts: Counts
    rows: tuple[Row, ...]
    damaged: tuple[str, ...]

    def render(self, format: str) -> str:
        """Renders the verdicts as one text.

        Args:
            format: 'md', 'html' or 'csv'.

        Raises:
            ConfigurationError: The format is unknown.
        """
        return render(self.rows, format)

    def _repr_markdown_(self) -> str:
        """For display in a notebook."""
        return self.render("md")


def compare(
    store: str, sweep: str | None = None, *, tables: Sequence[str] = (), overrides: Sequence[str] = ()
) -> Comparison:
    """Compares every published number with the trials of a store: it agrees, differs, or is not comparable.

    Args:
        sweep: A sweep file, or the name of a bundled one: only its trials, and only its complete cells.
        tables: Only the numbers of these published tables, such as 'mukhoti2020/5'.
        overrides: Settings of the sweep, as for `--set`: 'training.epochs=3'.

    Raises:
        ConfigurationError: A table, sweep or setting is unknown, or no trial is finished.
        StoreError: The store does not exist, or cannot be read.
    """
    check_overrides(sweep, overrides)
    printed = published(tuple(tables))
    done = finished(store, sweep, overrides)
    rows = judged_in(done.store, done.frame, done.expected, printed)
    return Comparison(store, counts(rows), tuple(rows), done.damaged)


def judged_in(
    store: Store,
    evaluated: pd.DataFrame,
    expected: pd.DataFrame | None,
    printed: pd.DataFrame | None = None,
) -> list[Row]:
    """The verdicts on published numbers from the rows of a store.

    Args:
        evaluated: From `Snapshot.evaluations()`.
        expected: As in `results.comparison.verdicts.compare`.
        printed: Published numbers; None for all.
    """
    return judged(
        published() if printed is None else printed,
        on_test_set(evaluated).reset_index(drop=True),
        expected,
        lambda frame, scores: filled(store.folder, frame, scores).frame,
    )
