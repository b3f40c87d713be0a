"""Scores predictions: when a finished trial is committed, and again from the store.

The task defines columns and scores: see `trainables.tasks.base`. The schema of a table of predictions names
its task, unless it is classification.

This is the only part of `results` that needs torch.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch

from results.store import data_files, rows, scored_sets
from results.store.address import Address, stem
from results.store.errors import StoreError
from results.store.provenance import source_commit
from results.store.store import Store
from trainables import tasks
from trainables.calibration.agreement import FLOAT32_OFF, FLOAT64_OFF

if TYPE_CHECKING:
    from trainables.tasks.base import Task
    from trainables.training.curves import Curves
    from trainables.training.result import TrialResult
    from trainables.trial import Component

FEW_SAMPLES = 10_000
"""One thread scores fewer samples as fast as several do."""

PARTS, SCORED = ("validation", "test"), "scored"

TASK = "calibsweep.task"
"""Key of the task's name in the metadata of a table's schema."""

ARITHMETIC, FLOAT64 = "scores_arithmetic", "float64"
"""Entry of a row's provenance: the arithmetic of its scores. Older rows lack it: they used float32."""


def predictions_table(task: str, validation: Any, test: Any) -> pa.Table:
    """Predictions on a trial's own parts in stored form: split, and the task's columns.

    Args:
        task: Its name.
        validation, test: Predictions in the form of the task.
    """
    tables = [_part_table(task, part, each) for part, each in zip(PARTS, (validation, test), strict=True)]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def epochs_table(epochs: list[Curves]) -> pa.Table:
    """Learning curves in stored form: one row per epoch, null where a measure is undefined."""
    schema = pa.schema([(name, pa.int64() if name == "epoch" else pa.float64()) for name in epochs[0]])
    return pa.Table.from_pylist(epochs, schema=schema)


def scored_table(task: str, predictions: Any) -> pa.Table:
    """Predictions on a set out of distribution in stored form, like those on a trial's own parts."""
    return _part_table(task, SCORED, predictions)


def _part_table(task: str, part: str, predictions: Any) -> pa.Table:
    columns = tasks.build(task).columns(predictions)
    rows_of = {len(tensor) for tensor in columns.values()}
    if len(rows_of) != 1 or "sample_id" not in columns:
        raise ValueError(f"task {task!r}: its columns are not of the same samples, with their sample_id.")
    table = pa.table(
        {
            "split": pa.array([part] * rows_of.pop()).dictionary_encode(),
            **{name: _as_array(tensor.numpy()) for name, tensor in columns.items()},
        }
    )
    return table if task == tasks.DEFAULT else table.replace_schema_metadata({TASK: task})


def _as_array(values: np.ndarray[Any, Any]) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def task_of(predictions: pa.Table) -> Task[Any]:
    """The task of stored predictions.

    Raises:
        ConfigurationError: The name is unknown here.
    """
    name = (predictions.schema.metadata or {}).get(TASK.encode(), tasks.DEFAULT.encode())
    return tasks.build(name.decode("utf-8", "replace"))


def part_of(predictions: pa.Table, part: str) -> Any:
    """Stored predictions on one part ('validation', 'test' or 'scored'), in the form of their task."""
    return task_of(predictions).from_columns(_columns(predictions, part))


def _columns(predictions: pa.Table, part: str) -> dict[str, torch.Tensor]:
    split = predictions["split"].cast(pa.string())
    chosen = predictions.filter(pa.compute.equal(split, part)).combine_chunks().drop_columns("split")
    return {name: _as_tensor(chosen[name].combine_chunks()) for name in chosen.column_names}


def _as_tensor(column: pa.Array) -> torch.Tensor:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return torch.from_numpy(np.array(flat).reshape(-1, column.type.list_size))
    return torch.from_numpy(np.array(column.to_numpy(zero_copy_only=False)))


def tensors(predictions: pa.Table, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """logits [N, K] and labels [N] of one part of the stored predictions for classification."""
    columns = _columns(predictions, part)
    return columns["logits"], columns["label"]


def score_predictions(predictions: pa.Table) -> dict[str, float]:
    """All scores of stored predictions, equal to those committed with them."""
    return task_of(predictions).scores(*(part_of(predictions, part) for part in PARTS))


def score_scored(predictions: pa.Table, scored: pa.Table) -> dict[str, float]:
    """Scores on a set out of distribution, from a trial's own stored predictions and those on the set."""
    return _scored_again(score_predictions(predictions), predictions, scored)


def _scored_again(scores: Mapping[str, float], predictions: pa.Table, scored: pa.Table) -> dict[str, float]:
    task = task_of(predictions)
    return task.scores_elsewhere(scores, part_of(predictions, "test"), part_of(scored, SCORED))


def commit_finished(
    store: Store,
    result: TrialResult,
    predictions_on: Callable[[Component], Any],
    provenance: dict[str, str],
) -> bool:
    """Commits a finished trial, then its predictions on each missing set out of distribution.

    Args:
        predictions_on: Returns the trained network's predictions on a set.

    Returns:
        False if a result of the trial was committed before. It stands, and sets are scored against it.
    """
    committed = commit_result(store, result, provenance)
    standing = None
    for other in scored_sets.lacking(store.folder, result.trial):
        if not committed and standing is None:
            # The committed result may differ in last digits: scores must follow from its stored predictions.
            with contextlib.suppress(StoreError):
                standing = store.predictions(Address.of(result.trial))
        commit_scored(store, result, other, predictions_on(other), provenance, standing)
    return committed


def commit_scored(
    store: Store,
    result: TrialResult,
    scored_on: Component,
    scored: Any,
    provenance: dict[str, str],
    standing: pa.Table | None = None,
) -> bool:
    """Scores a finished trial on a set out of distribution and commits that. Returns as `commit_result`.

    Args:
        standing: The trial's stored predictions, if they differ from this result's.
    """
    task = tasks.name_of(result.trial.dataset.name)
    own = predictions_table(task, result.validation, result.test) if standing is None else standing
    table = scored_table(task, scored)
    facts = {**provenance, ARITHMETIC: FLOAT64}
    return scored_sets.commit(store.folder, result.trial, scored_on, table, score_scored(own, table), facts)


def commit_result(store: Store, result: TrialResult, provenance: dict[str, str]) -> bool:
    """Scores a finished trial and commits it. The scores are computed from the stored table itself.

    Returns:
        False if the trial was committed before: that commit stands.
    """
    task = tasks.name_of(result.trial.dataset.name)
    table = predictions_table(task, result.validation, result.test)
    measurements = {
        name: float(value) for name, value in result.measurements.items() if isinstance(value, int | float)
    }
    texts = {name: value for name, value in result.measurements.items() if isinstance(value, str)}
    facts = {"dataset_fingerprint": result.dataset_fingerprint, ARITHMETIC: FLOAT64}
    if task != tasks.DEFAULT:
        facts["task"] = task
    return store.commit(
        result.trial,
        predictions=table,
        epochs=epochs_table(result.epochs),
        scores=score_predictions(table),
        measurements={**measurements, "reported_epoch": float(result.reported_epoch)},
        provenance={**provenance, **texts, **facts},
    )


def rescore(store: Store, path: str) -> None:
    """Rewrites a row of trials/ or scored/ with the scores of the stored logits, if they differ.

    The old row is set aside. After a trial's row come those of its sets, which depend on its temperatures.

    Raises:
        StoreError: A row or logits are damaged, or the store cannot be written.
    """
    folder = path.partition("/")[2].rpartition("/")[0]
    key = stem(path).partition("-")[0]
    trial_path = f"trials/{folder}/{key}.parquet"
    row, scores, provenance = _committed(store, trial_path, key, rows.TRIAL_SCHEMA)
    predictions = data_files.committed(store.folder, trial_path, key, "predictions")
    if path != trial_path:
        _rescore_set(store, path, scores, predictions)
        return
    if trial_differs(scores, provenance, predictions):
        scores = score_predictions(predictions)
        _replace(store, path, row, scores)
    for info in store.folder.list(f"{scored_sets.ROWS}/{folder}"):
        if key in info.path:
            # The check for damage handles damaged rows.
            with contextlib.suppress(StoreError):
                _rescore_set(store, info.path, scores, predictions)


def _rescore_set(store: Store, path: str, scores: Mapping[str, float], predictions: pa.Table) -> None:
    key = stem(path)
    row, committed, provenance = _committed(store, path, key, rows.SCORED_SCHEMA)
    scored = data_files.committed(store.folder, path, key, scored_sets.PREDICTIONS, rows.SCORED_SCHEMA)
    if scored_differs(committed, provenance, scores, predictions, scored):
        _replace(store, path, row, _scored_again(scores, predictions, scored))


def _committed(
    store: Store, path: str, key: str, schema: pa.Schema
) -> tuple[pa.Table, dict[str, float], dict[str, str]]:
    """A row with its scores and provenance."""
    try:
        row = rows.checked_row(store.folder.read(path), key, schema)
    except (FileNotFoundError, rows.DamagedFileError) as error:
        raise StoreError(f"{store.folder.name(path)} is missing or damaged: run the sweep again.") from error
    return row, dict(row["scores"][0].as_py()), dict(row["provenance"][0].as_py())


def _replace(store: Store, path: str, row: pa.Table, scores: Mapping[str, float]) -> None:
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {ARITHMETIC: FLOAT64, "scored_anew": when, "scored_anew_by": source_commit()}
    content = rows.to_parquet(rows.scored_anew(row, scores, facts))
    store.set_aside([path])
    store.folder.write(path, content, exclusive=True)


def trial_differs(
    scores: Mapping[str, float], provenance: Mapping[str, Any], predictions: pa.Table
) -> dict[str, tuple[float, float]]:
    """Scores of a trial that do not follow from its stored predictions, as (committed, computed).

    Only differences beyond those of arithmetic count (`trainables.calibration.agreement`): errors of 1e-11
    in each probability if the provenance says float64, and of float32's 4e-6 in older rows.
    """
    validation, test = (part_of(predictions, part) for part in PARTS)
    with _threads_for(predictions.num_rows):
        return task_of(predictions).differing(scores, validation, test, _off(provenance))


def scored_differs(
    committed: Mapping[str, float],
    provenance: Mapping[str, Any],
    scores: Mapping[str, float],
    predictions: pa.Table,
    scored: pa.Table,
) -> dict[str, tuple[float, float]]:
    """Like `trial_differs`, for a set out of distribution.

    Args:
        committed: Scores of the set.
        scores: Scores of the trial, from its own row.
        predictions: The trial's own.
    """
    task, test, other = task_of(predictions), part_of(predictions, "test"), part_of(scored, SCORED)
    with _threads_for(predictions.num_rows + scored.num_rows):
        return task.differing_elsewhere(committed, scores, test, other, _off(provenance))


@contextlib.contextmanager
def _threads_for(samples: int) -> Iterator[None]:
    """Uses one thread for few samples: several mostly wait for each other, even more so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if samples < FEW_SAMPLES else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _off(provenance: Mapping[str, Any]) -> float:
    return FLOAT64_OFF if provenance.get(ARITHMETIC) == FLOAT64 else FLOAT32_OFF
