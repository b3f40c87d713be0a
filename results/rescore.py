"""From logits to scores: what a finished trial commits, and the same again from what is stored.

The only room of `results` that needs torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch

from results import scored_sets
from results.address import Address
from results.store import Store
from trainables.calibration import evaluate
from trainables.calibration.out_of_distribution import evaluate_on

if TYPE_CHECKING:
    from trainables.curves import Curves
    from trainables.result import Predictions, TrialResult
    from trainables.trial import Component

PARTS = ("validation", "test")


def predictions_table(validation: Predictions, test: Predictions) -> pa.Table:
    """Predictions as stored: split, sample_id, label, logits (a list of K float32)."""
    tables = [_part_table(part, each) for part, each in zip(PARTS, (validation, test), strict=True)]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def epochs_table(epochs: list[Curves]) -> pa.Table:
    """Learning curves as stored: one row an epoch, null where a measure has no value."""
    schema = pa.schema([(name, pa.int64() if name == "epoch" else pa.float64()) for name in epochs[0]])
    return pa.Table.from_pylist(epochs, schema=schema)


def scored_table(predictions: Predictions) -> pa.Table:
    """Predictions of a set out of distribution as stored: like those of a trial's own parts."""
    return _part_table("scored", predictions)


def _part_table(part: str, predictions: Predictions) -> pa.Table:
    logits = predictions.logits.float().numpy()
    columns = {
        "split": pa.array([part] * len(logits)).dictionary_encode(),
        "sample_id": pa.array(predictions.sample_ids.numpy()),
        "label": pa.array(predictions.labels.numpy()),
        "logits": pa.FixedSizeListArray.from_arrays(pa.array(logits.reshape(-1)), logits.shape[1]),
    }
    return pa.table(columns)


def tensors(predictions: pa.Table, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """logits [N, K] and labels [N] of one part ('validation' or 'test') of stored predictions."""
    rows = predictions.filter(pa.compute.equal(predictions["split"].cast(pa.string()), part)).combine_chunks()
    classes = predictions.schema.field("logits").type.list_size
    flat = rows["logits"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    labels = rows["label"].to_numpy()
    return torch.from_numpy(np.array(flat).reshape(-1, classes)), torch.from_numpy(np.array(labels))


def score_predictions(predictions: pa.Table) -> dict[str, float]:
    """All scores of stored predictions: the same numbers as were committed with them."""
    return evaluate(*tensors(predictions, "validation"), *tensors(predictions, "test"))


def score_scored(predictions: pa.Table, scored: pa.Table) -> dict[str, float]:
    """Scores of a set out of distribution, from a trial's own stored predictions and those of the set."""
    temperatures = {
        name.removeprefix("temperature_"): value
        for name, value in score_predictions(predictions).items()
        if name.startswith("temperature_")
    }
    test_logits, _ = tensors(predictions, "test")
    return evaluate_on(test_logits, *tensors(scored, "scored"), temperatures)


def commit_scored(
    store: Store, result: TrialResult, scored_on: Component, scored: Predictions, provenance: dict[str, str]
) -> bool:
    """Scores a finished trial on a set out of distribution and commits that. Returns as `commit_result`."""
    table = scored_table(scored)
    scores = score_scored(predictions_table(result.validation, result.test), table)
    return scored_sets.commit(store, result.trial, scored_on, table, scores, provenance)


def commit_result(store: Store, result: TrialResult, provenance: dict[str, str]) -> bool:
    """Scores a finished trial and commits it. Scores are computed from the very table that is stored.

    Returns:
        False if the trial was committed before: that commit stands.
    """
    table = predictions_table(result.validation, result.test)
    measurements = {
        name: float(value) for name, value in result.measurements.items() if isinstance(value, int | float)
    }
    texts = {name: value for name, value in result.measurements.items() if isinstance(value, str)}
    facts = {"dataset_fingerprint": result.dataset_fingerprint}
    return store.commit(
        result.trial,
        predictions=table,
        epochs=epochs_table(result.epochs),
        scores=score_predictions(table),
        measurements={**measurements, "reported_epoch": float(result.reported_epoch)},
        provenance={**provenance, **texts, **facts},
    )


def scores_that_differ(store: Store, row: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Scores that a row has otherwise than its predictions, as (committed, anew).

    Args:
        row: Of `Store.trials()` or of `scored_sets.frame()`.

    Raises:
        StoreError: Predictions that are missing or damaged.
    """
    address = Address(row["dataset"], row["model"], row["loss"], row["key"])
    if "trial_key" in row:
        trial = dataclasses.replace(address, key=row["trial_key"])
        anew = score_scored(store.predictions(trial), scored_sets.predictions(store, address))
    else:
        anew = score_predictions(store.predictions(address))
    # Another processor may round otherwise.
    same = {
        name: np.isclose(row[name], value, rtol=1e-6, atol=1e-9, equal_nan=True)
        for name, value in anew.items()
    }
    return {name: (row[name], value) for name, value in anew.items() if not same[name]}
