"""What trials say of data sets out of distribution, kept beside their results.

    scored_predictions/<data set>/<model>/<loss>/<key>-<set>-<digest>.parquet   logits, labels and sample ids
    scored/<data set>/<model>/<loss>/<key>-<set>.parquet               one row: scores, provenance, digests

`<set>` digests the set that was scored, `<digest>` the data. As with trials, the row comes last, is never
replaced, and is the commit. A trained network is not kept, so a set that a finished trial lacks means that it
is trained again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from results import data_files, rows
from results.address import Address
from results.data_files import sha256
from results.store import State, Store, Survey
from trainables.trial import Component, Trial, digest

if TYPE_CHECKING:
    import pandas as pd

ROWS, PREDICTIONS = "scored", "scored_predictions"
DIGEST_LENGTH = 10


def scored_key(trial_key: str, scored_on: Component) -> str:
    return f"{trial_key}-{digest(scored_on.identity())[:DIGEST_LENGTH]}"


def address(trial: Trial, scored_on: Component) -> Address:
    return dataclasses.replace(Address.of(trial), key=scored_key(trial.key, scored_on))


def commit(
    store: Store,
    trial: Trial,
    scored_on: Component,
    predictions: pa.Table,
    scores: Mapping[str, float],
    provenance: Mapping[str, str],
) -> bool:
    """Writes what a trial says of a set. Returns False if it was written before: that commit stands."""
    place = address(trial, scored_on)
    row_path = place.path(ROWS)
    if store.folder.exists(row_path):
        return False
    content = rows.to_parquet(predictions)
    row = rows.scored_row(trial, scored_on, place.key, scores, provenance, sha256(content))
    return data_files.commit(store.folder, row_path, rows.to_parquet(row), {PREDICTIONS: content})


def lacking(store: Store, trial: Trial) -> list[Component]:
    """The sets that a trial is to be scored on and is not yet: a quick look, without checking the digests."""
    return [each for each in trial.score_on if not store.folder.exists(address(trial, each).path(ROWS))]


def survey(store: Store, trials: Iterable[Trial]) -> Survey:
    """Where each trial stands, done only if all the sets it is to be scored on are there as committed."""
    wanted = list(trials)
    found = store.survey(wanted)
    states, damaged = dict(found.states), dict(found.damaged)
    for trial in wanted:
        bad = [path for each in trial.score_on for path in _damage(store, address(trial, each))]
        if bad:
            damaged[trial.key] = (*damaged.get(trial.key, ()), *bad)
        if states[trial.key] == State.DONE and (bad or lacking(store, trial)):
            states[trial.key] = State.INTERRUPTED if trial.key in found.leftover else State.MISSING
    leftover = tuple(key for key in found.leftover if states[key] == State.DONE)
    return Survey(states, found.failures, damaged, leftover)


def frame(store: Store) -> pd.DataFrame:
    """One row for each finished trial and set: as `Store.trials()`, with trial_key and scored_on.

    Rows that are damaged are left out, named in `attrs["damaged"]`.
    """
    read, damaged = store.read_rows(store.files(ROWS), rows.SCORED_SCHEMA)
    found = rows.frame([table for _, table in read])
    found.attrs["damaged"] = damaged
    return found


def predictions(store: Store, place: Address) -> pa.Table:
    """sample_id, label and logits [K] of each sample. Raises StoreError for what is missing or damaged."""
    return data_files.committed(store.folder, place.path(ROWS), place.key, PREDICTIONS, rows.SCORED_SCHEMA)


def _damage(store: Store, place: Address) -> list[str]:
    """The files that must be set aside; none if there are none, or all are what was committed."""
    path = place.path(ROWS)
    try:
        row = rows.checked_row(store.folder.read(path), place.key, rows.SCORED_SCHEMA)
    except FileNotFoundError:
        return []
    except rows.DamagedFileError:
        return [path]
    digest = row["predictions_digest"][0].as_py()
    try:
        data, content = data_files.read(store.folder, path, PREDICTIONS, digest)
    except FileNotFoundError:
        return [path]
    return [] if sha256(content) == digest else [data, path]
