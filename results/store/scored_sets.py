"""Predictions of trials on data sets out of distribution, stored beside their results.

    scored_predictions/<data set>/<model>/<loss>/<key>-<set>-<digest>.parquet   logits, labels and sample ids
    scored/<data set>/<model>/<loss>/<key>-<set>.parquet               one row: scores, provenance, digests

`<set>` digests the scored set, `<digest>` the data. As with trials, the row is written last, is never
replaced, and is the commit. Trained networks are not stored, so a finished trial with a missing set is
trained again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pyarrow as pa

from results.store import data_files, rows
from results.store.address import Address
from results.store.data_files import sha256
from results.store.files import Folder
from trainables.trial import Component, Trial, digest

ROWS, PREDICTIONS = "scored", "scored_predictions"
DIGEST_LENGTH = 10


def scored_key(trial_key: str, scored_on: Component) -> str:
    return f"{trial_key}-{digest(scored_on.identity())[:DIGEST_LENGTH]}"


def address(trial: Trial, scored_on: Component) -> Address:
    return dataclasses.replace(Address.of(trial), key=scored_key(trial.key, scored_on))


def commit(
    folder: Folder,
    trial: Trial,
    scored_on: Component,
    predictions: pa.Table,
    scores: Mapping[str, float],
    provenance: Mapping[str, str],
) -> bool:
    """Writes a trial's predictions on a set. Returns False if they exist already: that commit stands."""
    place = address(trial, scored_on)
    row_path = place.path(ROWS)
    content = rows.to_parquet(predictions)
    row = rows.scored_row(trial, scored_on, place.key, scores, provenance, sha256(content))
    return data_files.commit(folder, row_path, rows.to_parquet(row), {PREDICTIONS: content})


def lacking(folder: Folder, trial: Trial) -> list[Component]:
    """The missing sets of a trial: a quick look, without checking the digests."""
    if not trial.score_on:
        return []
    # One request, since a sweep may have a hundred sets.
    there = {info.path for info in folder.list(Address.of(trial).path(ROWS).rpartition("/")[0])}
    return [each for each in trial.score_on if address(trial, each).path(ROWS) not in there]


def predictions(folder: Folder, place: Address) -> pa.Table:
    """sample_id, label and logits [K] of each sample. Raises StoreError if they are missing or damaged."""
    return data_files.committed(folder, place.path(ROWS), place.key, PREDICTIONS, rows.SCORED_SCHEMA)
