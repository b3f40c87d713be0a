"""Shows where a number comes from: the trials behind a cell of a table, with all that is recorded of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.store import data_files
from results.store.address import Address
from results.store.store import Store
from trainables.errors import ConfigurationError
from trainables.registry import closest

SCORES = ("test_", "validation_")
TEMPERATURES = "temperature_"

PLACE = ("dataset", "model", "loss")

KINDS = ("predictions", "epochs")

NOT_SHOWN = {
    *PLACE,
    "key",
    "seed",
    "identity",
    "trial_key",
    "evaluation",
    "evaluation_identity",
    "row_digest",
}
"""Columns of rows with a field of their own, or about other evaluations."""


@dataclass(frozen=True)
class ShownTrial:
    """A finished trial as recorded.

    Attributes:
        key: Digest of everything that determines its numbers.
        identity: That everything: components with parameters and versions, training settings, seed.
        scores: On the test set and the validation part, in the stored unit (fractions, nats), by column.
        temperatures: By the metric that chose them.
        recorded: All else in its row: protocol, hardware, versions, commit, durations, digests.
        files: Full names of its row, predictions and curves.
    """

    key: str
    dataset: str
    model: str
    loss: str
    seed: int
    identity: Mapping[str, Any]
    scores: Mapping[str, float]
    temperatures: Mapping[str, float]
    recorded: Mapping[str, Any]
    files: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """Attributes:
    store: Its address.
    trials: Sorted by data set, model, loss and seed.
    """

    store: str
    trials: tuple[ShownTrial, ...]


def show(
    store: str, dataset: str, model: str | None = None, loss: str | None = None, seed: int | None = None
) -> Shown:
    """Returns the finished trials of a data set, model and loss.

    Args:
        dataset: A label as in the store, with or without parameters: 'sst' is every SST.
        model: Likewise; None for all.
        loss: Likewise; None for all.

    Raises:
        ConfigurationError: A label or seed does not exist in the store, with the nearest that does.
        StoreError: The store cannot be read.
    """
    opened = Store(store)
    opened.check_place()
    snapshot = opened.snapshot()
    frame = snapshot.trials()
    for column, label in zip(PLACE, (dataset, model, loss), strict=True):
        if label is None:
            continue
        labels = list(dict.fromkeys(frame[column])) if len(frame) else []
        plain = [each for each in labels if label in (each, each.partition("(")[0])]
        exact = [each for each in plain if each == label]
        if not plain:
            raise ConfigurationError(f"{column} {label!r}: no such trial in {store}.{closest(label, labels)}")
        frame = frame[frame[column].isin(exact or plain)]
    if seed is not None:
        seeds = sorted(set(frame["seed"]))
        frame = frame[frame["seed"] == seed]
        if frame.empty:
            raise ConfigurationError(
                f"seed {seed}: no such trial; the seeds are {', '.join(map(str, seeds))}."
            )
    listed = {info.path for info in snapshot.files(*KINDS)}
    rows = frame.sort_values([*PLACE, "seed", "key"]).to_dict("records")
    named = ({str(name): value for name, value in row.items()} for row in rows)
    return Shown(store, tuple(_shown(opened, row, listed) for row in named))


def _shown(store: Store, row: Mapping[str, Any], listed: Collection[str]) -> ShownTrial:
    known = {name: value for name, value in row.items() if pd.notna(value)}
    row_path = Address(*(str(row[name]) for name in (*PLACE, "key"))).row
    data = [
        data_files.listed_path(row_path, kind, str(row[data_files.digest_column(kind)]), listed)
        for kind in KINDS
    ]
    return ShownTrial(
        key=str(row["key"]),
        dataset=str(row["dataset"]),
        model=str(row["model"]),
        loss=str(row["loss"]),
        seed=int(row["seed"]),
        identity=json.loads(str(row["identity"])),
        scores={name: value for name, value in known.items() if name.startswith(SCORES)},
        temperatures={
            name.removeprefix(TEMPERATURES): value
            for name, value in known.items()
            if name.startswith(TEMPERATURES)
        },
        recorded={
            name: value
            for name, value in known.items()
            if name not in NOT_SHOWN and not name.startswith((*SCORES, TEMPERATURES))
        },
        files=tuple(store.folder.name(path) for path in (row_path, *data)),
    )
