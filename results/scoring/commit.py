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

from results.scoring.class_counts import with_class_counts
from results.store import data_files, rows
from results.store.address import EARLIER, EVALUATIONS, TEST, TRIALS, Address, stem, trial_key
from results.store.errors import StoreError
from results.store.provenance import source_commit
from results.store.store import Store
from trainables import tasks
from trainables.calibration.agreement import FLOAT32_OFF, FLOAT64_OFF

if TYPE_CHECKING:
    from trainables.tasks.base import Task
    from trainables.training.curves import Curves
    from trainables.training.result import TrialResult
    from trainables.trial import Component, Trial

FEW_SAMPLES = 10_000
"""One thread scores fewer samples as fast as several do."""

PARTS = ("validation", "test")

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
    """Learning curves in stored form: one row per epoch, null where a measure is missing or undefined."""
    # An earlier version, which measured less, may have trained the first epochs.
    found = {name: value for curves in epochs for name, value in curves.items() if value is not None}
    names = dict.fromkeys(name for curves in epochs for name in curves)
    schema = pa.schema([(n, pa.int64() if n == "epoch" else _type_of(found.get(n))) for n in names])
    return pa.Table.from_pylist(epochs, schema=schema)


def _type_of(value: Any) -> pa.DataType:
    """The type of a number, or of nested lists of one shape."""
    return pa.list_(_type_of(value[0]), len(value)) if isinstance(value, list) else pa.float64()


def other_table(task: str, predictions: Any) -> pa.Table:
    """Predictions of a further evaluation in stored form, like those on a trial's own test part."""
    return _part_table(task, TEST, predictions)


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
    """A trial's stored predictions on one of `PARTS`, in the form of their task."""
    return task_of(predictions).from_columns(_columns(predictions, part))


def only_part_of(predictions: pa.Table) -> Any:
    """The stored predictions of a further evaluation, in the form of their task."""
    return task_of(predictions).from_columns(_columns(predictions))


def _columns(predictions: pa.Table, part: str | None = None) -> dict[str, torch.Tensor]:
    """The columns of a part; without one, of all samples, since older stores have other names of parts."""
    if part is not None:
        predictions = predictions.filter(pa.compute.equal(predictions["split"].cast(pa.string()), part))
    chosen = predictions.combine_chunks().drop_columns("split")
    return {name: _as_tensor(chosen[name].combine_chunks()) for name in chosen.column_names}


def _as_tensor(column: pa.Array) -> torch.Tensor:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return torch.from_numpy(np.array(flat).reshape(-1, column.type.list_size))
    return torch.from_numpy(np.array(column.to_numpy(zero_copy_only=False)))


def tensors(predictions: pa.Table, part: str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """logits [N, K] and labels [N] of one part, or of all, of the stored predictions for classification."""
    columns = _columns(predictions, part)
    return columns["logits"], columns["label"]


def score_predictions(predictions: pa.Table) -> dict[str, float]:
    """All scores of stored predictions, equal to those committed with them."""
    return task_of(predictions).scores(*(part_of(predictions, part) for part in PARTS))


def _other_scores(scores: Mapping[str, float], own: pa.Table, predictions: pa.Table) -> dict[str, float]:
    """Scores of a further evaluation.

    Args:
        scores: Those of the trial on its own data.
        own: The trial's predictions on its own data.
    """
    return task_of(own).scores_elsewhere(scores, part_of(own, TEST), only_part_of(predictions))


def commit_finished(
    store: Store,
    result: TrialResult,
    predictions_on: Callable[[Component], Any],
    provenance: dict[str, str],
) -> bool:
    """Commits a finished trial, then each of its missing evaluations.

    Args:
        predictions_on: Returns the trained network's predictions on a data set.

    Returns:
        False if a result of the trial was committed before. It stands, and evaluations are compared with it.
    """
    committed = commit_result(store, result, provenance)
    if missing := store.missing_evaluations(result.trial):
        own = None
        if not committed:
            # The committed result may differ in last digits: scores must follow from its stored predictions.
            with contextlib.suppress(StoreError):
                own = store.predictions(Address.of(result.trial))
        if own is None:
            own = _own_predictions(result)
        scores = score_predictions(own)
        for evaluation in missing:
            predictions = predictions_on(evaluation)
            commit_evaluation(store, result.trial, evaluation, predictions, own, scores, provenance)
    return committed


def commit_evaluation(
    store: Store,
    trial: Trial,
    evaluation: Component,
    predictions: Any,
    own: pa.Table,
    scores: Mapping[str, float],
    provenance: Mapping[str, str],
) -> bool:
    """Scores a further evaluation of a finished trial and commits it. Returns as `commit_result`.

    Args:
        predictions: In the form of the task.
        own: The trial's predictions on its own data, as committed.
        scores: Those that follow from `own`.
    """
    table = other_table(tasks.name_of(trial.dataset.name), predictions)
    facts = {**provenance, **_facts(trial)}
    return store.commit(trial, table, _other_scores(scores, own, table), facts, evaluation=evaluation)


def commit_result(store: Store, result: TrialResult, provenance: dict[str, str]) -> bool:
    """Scores a finished trial and commits it. The scores are computed from the stored table itself.

    Returns:
        False if the trial was committed before: that commit stands.
    """
    table = _own_predictions(result)
    measurements = {
        name: float(value) for name, value in result.measurements.items() if isinstance(value, int | float)
    }
    texts = {name: value for name, value in result.measurements.items() if isinstance(value, str)}
    facts = {"dataset_fingerprint": result.dataset_fingerprint, **_facts(result.trial)}
    return store.commit(
        result.trial,
        table,
        score_predictions(table),
        {**provenance, **texts, **facts},
        epochs=epochs_table(result.epochs),
        measurements={**measurements, "reported_epoch": float(result.reported_epoch)},
    )


def _own_predictions(result: TrialResult) -> pa.Table:
    table = predictions_table(tasks.name_of(result.trial.dataset.name), result.validation, result.test)
    return table if result.class_counts is None else with_class_counts(table, result.class_counts)


def _facts(trial: Trial) -> dict[str, str]:
    """The provenance of scores."""
    task = tasks.name_of(trial.dataset.name)
    return {ARITHMETIC: FLOAT64, **({} if task == tasks.DEFAULT else {"task": task})}


def rescore(store: Store, path: str) -> None:
    """Rewrites the row of an evaluation with the scores of the stored logits, if they differ.

    The old row is set aside. After a trial's row come those of its further evaluations, which depend on its
    temperatures.

    Raises:
        StoreError: A row or logits are damaged, or the store cannot be written.
    """
    folder, key = path.partition("/")[2].rpartition("/")[0], trial_key(stem(path))
    row = _row(store, trial_path := f"{TRIALS}/{folder}/{key}.parquet")
    scores = dict(row["scores"][0].as_py())
    own = data_files.data_of(store.folder, trial_path, row, "predictions")
    if path != trial_path:
        _rescore_other(store, path, scores, own)
        return
    if trial_differs(scores, _provenance(row), own):
        scores = score_predictions(own)
        _replace(store, path, row, scores)
    for of in (EVALUATIONS, EARLIER):
        for info in store.folder.list(f"{of}/{folder}"):
            if key in info.path:
                # The check for damage handles damaged rows.
                with contextlib.suppress(StoreError):
                    _rescore_other(store, info.path, scores, own)


def _rescore_other(store: Store, path: str, scores: Mapping[str, float], own: pa.Table) -> None:
    row = _row(store, path)
    predictions = data_files.data_of(store.folder, path, row, "predictions")
    if other_differs(dict(row["scores"][0].as_py()), _provenance(row), scores, own, predictions):
        _replace(store, path, row, _other_scores(scores, own, predictions))


def _row(store: Store, path: str) -> pa.Table:
    try:
        return rows.checked_row(store.folder.read(path), stem(path))
    except (FileNotFoundError, rows.DamagedFileError) as error:
        raise StoreError(f"{store.folder.name(path)} is missing or damaged: rerun its sweep.") from error


def _provenance(row: pa.Table) -> dict[str, str]:
    return dict(row["provenance"][0].as_py())


def _replace(store: Store, path: str, row: pa.Table, scores: Mapping[str, float]) -> None:
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = {ARITHMETIC: FLOAT64, "rescored_at": when, "rescored_by": source_commit()}
    content = rows.to_parquet(rows.rescored(row, scores, facts))
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


def other_differs(
    committed: Mapping[str, float],
    provenance: Mapping[str, Any],
    scores: Mapping[str, float],
    own: pa.Table,
    predictions: pa.Table,
) -> dict[str, tuple[float, float]]:
    """Like `trial_differs`, for a further evaluation.

    Args:
        committed: Its scores.
        scores: Scores of the trial on its own data, from its row.
        own: The trial's predictions on its own data.
    """
    task, test, other = task_of(own), part_of(own, TEST), only_part_of(predictions)
    with _threads_for(own.num_rows + predictions.num_rows):
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
