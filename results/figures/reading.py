"""Reads the results of a sweep from its store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from results.figures.data import Cell, Trial
from results.store.address import TEST, Address
from results.store.snapshot import Snapshot
from results.store.store import Store
from results.tables import names
from results.tables.evaluations import on_test_set
from results.tables.methods import by_method
from results.tables.statistics import CELL, summarise
from trainables import tasks
from trainables.errors import ConfigurationError


def cells_of(
    store: Store, snapshot: Snapshot, expected: pd.DataFrame, losses: Iterable[str] = ()
) -> list[Cell]:
    """The finished classification trials of a sweep, by data set and model, in the order of tables.

    As in tables, a loss with a sampler is a method beside the losses: 'cross_entropy + smote'.

    Args:
        expected: The trials of the sweep, from `expected_frame`.
        losses: Only these losses, by label and with any sampler; all if empty.

    Raises:
        ConfigurationError: No trial is of classification, none is finished, or two of one cell have the
            same seed.
    """
    own = on_test_set(expected)
    trials = own[own["task"] == tasks.DEFAULT]
    chosen = {*losses}
    if chosen:
        trials = trials[trials["loss"].isin(chosen)]
    if trials.empty:
        raise ConfigurationError("the sweep has no trials of classification.")
    frame, trials = snapshot.trials(), by_method(trials)
    summary = summarise(by_method(frame), [], trials)
    settings = dict(zip(map(tuple, summary[CELL].to_numpy()), summary["settings"], strict=True))
    stored = {row["key"]: row for row in _rows(frame)}
    other = _elsewhere(store, snapshot)
    found: dict[tuple[str, str, str], list[Trial]] = {}
    for key, *place, seed in trials[["key", *CELL, "seed"]].itertuples(index=False):
        if key not in stored:
            continue
        row, (dataset, model, loss, _) = stored[key], place
        address = _address(row)
        read = functools.partial(store.predictions, address), functools.partial(store.epochs, address)
        trial = Trial(key, dataset, model, loss, int(seed), row, read, other=other.get(key, {}))
        found.setdefault((dataset, model, settings[tuple(place)]), []).append(trial)
    return [Cell(*place, tuple(sorted(found[place], key=_order))) for place in sorted(found, key=_printed)]


def _elsewhere(store: Store, snapshot: Snapshot) -> dict[str, dict[str, Callable[[], pa.Table]]]:
    """Reads the predictions on other data than the test set, by key of the trial and label of the data."""
    found: dict[str, dict[str, Callable[[], pa.Table]]] = {}
    frame = snapshot.evaluations()
    for row in _rows(frame[frame["evaluation"] != TEST]):
        read = functools.partial(store.predictions, _address(row))
        found.setdefault(row["trial_key"], {})[row["evaluation"]] = read
    return found


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _address(row: Mapping[str, Any]) -> Address:
    # Of the labels at the time of storing, which the folders are named after.
    return Address(row["dataset"], row["model"], row["loss"], row["key"])


def _order(trial: Trial) -> tuple[tuple[int, str], int]:
    return names.rank(names.LOSSES, trial.loss), trial.seed


def _printed(place: tuple[str, str, str]) -> tuple[tuple[int, str], tuple[int, str], str]:
    dataset, model, settings = place
    return names.rank(names.DATASETS, dataset), names.rank(names.MODELS, model), settings
