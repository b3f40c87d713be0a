"""The Parquet rows of the store: their schemas, their checks, and their conversion to a data frame."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from results.store.address import TEST, trial_key
from results.store.errors import StoreError
from trainables.trial import Component, Trial, canonical_json

if TYPE_CHECKING:
    import pandas as pd

SHA256 = re.compile(r"[0-9a-f]{64}")

FORMAT = 1
"""Format of the row itself. Rows of this and all older formats are read; newer ones are refused as such.

Two rules hold for every format, so that newer rows can be distinguished from damaged ones: a file has one
row, and its `row_digest` is computed by `_row_digest`, over all columns of the row, known or not.
"""

ADDED = frozenset(["trial_key", "evaluation", "evaluation_identity"])
"""Columns added since the first rows of this format. A row without one is valid, and has null there."""

# Scores are one map instead of a column each: opening a file costs time per column, and a sweep of thousands
# of trials has thousands of one-row files.
SCHEMA = pa.schema(
    [
        ("format", pa.int64()),
        ("key", pa.string()),
        ("variant", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("loss", pa.string()),
        ("seed", pa.int64()),
        ("protocol", pa.string()),
        ("identity", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("measurements", pa.map_(pa.string(), pa.float64())),
        ("provenance", pa.map_(pa.string(), pa.string())),
        ("predictions_digest", pa.string()),
        ("epochs_digest", pa.string()),
        ("row_digest", pa.string()),
        ("trial_key", pa.string()),
        ("evaluation", pa.string()),
        ("evaluation_identity", pa.string()),
    ]
)
"""Schema of an evaluation's row. That of the test set commits the trial: only it has an `epochs_digest`.

`key` is from `Trial.key_on`, `evaluation` is 'test' or the label of the data set, and `evaluation_identity`,
null for the test set, is the identity of that component as JSON.
"""

OF_TRIALS = ("epochs_digest",)
"""Columns that only the rows of the test set need."""

OF_OTHERS = ("trial_key", "evaluation", "evaluation_identity")
"""Columns that only the rows of other evaluations need."""

NULLABLE = ADDED | {*OF_TRIALS}

EARLIER_NAMES = {"scored_on": "evaluation", "scored_on_identity": "evaluation_identity"}
"""Names of columns in the rows of older stores, with their current names."""

MAPS = ("scores", "measurements", "provenance")

FAILURE_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("attempt", pa.int64()),
        ("failure_class", pa.string()),
        ("message", pa.string()),
        ("traceback", pa.string()),
        ("identity", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("loss", pa.string()),
        ("seed", pa.int64()),
        ("host", pa.string()),
        ("occurred", pa.string()),
    ]
)


class DamagedFileError(Exception):
    """A Parquet file that is truncated or altered: its bytes are not the committed bytes."""


class NewerFormatError(StoreError):
    """An intact row in a format that this version does not know."""


def to_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file: equal tables give equal bytes (in one Arrow version)."""
    sink = pa.BufferOutputStream()
    many = table.num_rows > 1
    pq.write_table(table, sink, compression="zstd" if many else "none", write_statistics=many)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_parquet(content: bytes) -> pa.Table:
    """Raises DamagedFileError for anything but an intact Parquet file."""
    try:
        return pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        # ValueError: the name of a column is not valid UTF-8.
        raise DamagedFileError(str(error)) from error


def _only_row(content: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """A one-row file as a table and as Python values."""
    table = from_parquet(content)
    if table.num_rows != 1 or len(set(table.schema.names)) != len(table.schema.names):
        raise DamagedFileError("it does not have one row")
    try:
        return table, table.to_pylist()[0]
    except (ValueError, OverflowError, pa.ArrowException) as error:
        # Arrow validates UTF-8 here, not when it reads the file.
        raise DamagedFileError(str(error)) from error


def row_of(
    trial: Trial,
    evaluation: Component | None,
    scores: Mapping[str, float],
    measurements: Mapping[str, float],
    provenance: Mapping[str, str],
    digests: Mapping[str, str],
) -> pa.Table:
    """The row that commits an evaluation. Its own digest covers every value in it.

    Args:
        evaluation: The data set; None for the trial's test set.
        digests: SHA-256 of its data files, by column.
    """
    row = {
        "format": FORMAT,
        "key": trial.key_on(evaluation),
        "variant": trial.variant,
        "dataset": trial.dataset.label,
        "model": trial.model.label,
        "loss": trial.loss.label,
        "seed": trial.seed,
        "protocol": trial.protocol,
        "identity": canonical_json(trial.identity()),
        "scores": sorted(scores.items()),
        "measurements": sorted(measurements.items()),
        "provenance": sorted(provenance.items()),
        **digests,
        "trial_key": trial.key,
        "evaluation": TEST if evaluation is None else evaluation.label,
        "evaluation_identity": None if evaluation is None else canonical_json(evaluation.identity()),
    }
    return _sealed(row, SCHEMA)


def rescored(row: pa.Table, scores: Mapping[str, float], facts: Mapping[str, str]) -> pa.Table:
    """A row with new scores, and with `facts` added to its provenance."""
    (fields,) = row.to_pylist()
    provenance = {**dict(fields["provenance"]), **facts}
    changed = {"scores": sorted(scores.items()), "provenance": sorted(provenance.items())}
    return _sealed({**fields, **changed}, row.schema)


def _sealed(row: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    # The digest covers the values as they are read back: an int in a float column is a float by then.
    (stored,) = pa.Table.from_pylist([row], schema=schema).to_pylist()
    return pa.Table.from_pylist([{**stored, "row_digest": _row_digest(stored)}], schema=schema)


def checked_row(content: bytes, key: str) -> pa.Table:
    """Checks the one-row table of the evaluation `key`, and returns it with all its columns.

    Raises:
        DamagedFileError: The row belongs to another evaluation, or its values do not match its digest.
        NewerFormatError: The row has a format that this version does not know.
    """
    table, row = _only_row(content)
    if row.get("row_digest") != _row_digest(row):
        raise DamagedFileError("its values do not match its digest")
    number = row.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise NewerFormatError(
            f"trial {row.get('key', key)} was written by a newer calibsweep (rows of format {number}; this "
            f"one reads formats up to {FORMAT}): update calibsweep. Nothing was changed in the store."
        )
    if row.get("key") != key:
        raise DamagedFileError("it belongs to another trial or evaluation")
    if not _is_sound(table, row):
        raise DamagedFileError("it is not the row of an evaluation")
    return table


def _is_sound(table: pa.Table, row: Mapping[str, Any]) -> bool:
    """Whether this program may have written a row: anybody can compute the digest of a false one."""
    named = {EARLIER_NAMES.get(name, name): value for name, value in row.items()}
    own = OF_TRIALS if row["key"] == trial_key(row["key"]) else OF_OTHERS
    if any(named.get(name) is None for name in {*SCHEMA.names} - NULLABLE | {*own}):
        return False
    try:
        fitted(table, SCHEMA)
        if any(None in pair for name in MAPS for pair in row[name]):
            return False
        digests = [row[name] for name in ("predictions_digest", "epochs_digest") if row.get(name) is not None]
        identity = row["identity"]
        if not hashlib.sha256(identity.encode()).hexdigest().startswith(trial_key(row["key"])):
            return False
        if named.get("trial_key") not in (None, trial_key(row["key"])):
            return False
        return all(map(SHA256.fullmatch, digests)) and json.loads(identity)["training"]["epochs"] > 0
    except (LookupError, RecursionError, TypeError, ValueError, AttributeError, pa.ArrowException):
        return False


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with only the columns of `schema`. Missing columns are null.

    Raises:
        ArrowTypeError: A column has another type.
    """
    if table.schema.equals(schema):
        return table
    table = table.rename_columns([EARLIER_NAMES.get(name, name) for name in table.column_names])
    types = dict(zip(table.schema.names, table.schema.types, strict=True))
    if wrong := [field.name for field in schema if types.get(field.name, field.type) != field.type]:
        raise pa.ArrowTypeError(f"column {wrong[0]!r} has another type")
    columns = [
        table[field.name] if field.name in types else pa.nulls(table.num_rows, field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)


def _row_digest(row: Mapping[str, Any]) -> str:
    """SHA-256 over all values of a row except the digest itself. This rule never changes."""
    values = sorted((name, value) for name, value in row.items() if name != "row_digest")
    # repr of a float is its shortest round-trip text, also defined for NaN (no confident sample).
    return hashlib.sha256(repr(values).encode()).hexdigest()


def failure_row(
    trial: Trial, attempt: int, failure_class: str, message: str, traceback: str, host: str
) -> pa.Table:
    row = {
        "key": trial.key,
        "attempt": attempt,
        "failure_class": failure_class,
        "message": message,
        "traceback": traceback,
        "identity": canonical_json(trial.identity()),
        "dataset": trial.dataset.label,
        "model": trial.model.label,
        "loss": trial.loss.label,
        "seed": trial.seed,
        "host": host,
        "occurred": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return pa.Table.from_pylist([row], schema=FAILURE_SCHEMA)


def failure_fields(content: bytes) -> dict[str, Any]:
    """The columns of a failure's row. Raises DamagedFileError for anything else."""
    table, row = _only_row(content)
    if any(row.get(name) is None for name in FAILURE_SCHEMA.names):
        raise DamagedFileError("a value is missing")
    try:
        fitted(table, FAILURE_SCHEMA)
    except pa.ArrowException as error:
        raise DamagedFileError(str(error)) from error
    return row


def frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    """Combines one-row tables into a data frame, with a column per score, measurement and provenance entry.

    The names of these columns start with their map, as in 'scores.test_ece'; `plain` removes the prefix.
    """
    import pandas as pd

    table = pa.concat_tables([fitted(each, SCHEMA) for each in tables]) if tables else SCHEMA.empty_table()
    table = table.combine_chunks()
    values = completed(table.drop_columns([*MAPS, "format"]).to_pandas())
    maps = [_map_columns(table[name]).add_prefix(f"{name}.") for name in MAPS]
    whole: pd.DataFrame = pd.concat([values, *maps], axis=1)
    return whole


def completed(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame of rows with the values of columns that older rows of the test set lack."""
    import pandas as pd

    text = frame["key"].dtype
    named = {
        name: (frame[name] if name in frame else pd.Series(None, frame.index, object)).astype(text)
        for name in (*OF_TRIALS, *OF_OTHERS)
    }
    named["evaluation"] = named["evaluation"].fillna(TEST)
    named["trial_key"] = named["trial_key"].where(named["trial_key"].notna(), frame["key"])
    return frame.assign(**named)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame of rows with user-facing column names, in a fixed order."""
    named = frame.rename(columns=lambda name: name.partition(".")[2] or name)
    # The row's own columns come first: no score can be called 'seed'.
    named = named.loc[:, ~named.columns.duplicated()]
    first = [name for name in SCHEMA.names if name in named.columns]
    return named[[*first, *sorted(set(named.columns) - set(first))]]


def _map_columns(column: pa.ChunkedArray) -> pd.DataFrame:
    """Splits a map column into one column per key; a row without the key has NaN or None."""
    import pandas as pd

    if len(column) == 0:
        return pd.DataFrame(index=pd.RangeIndex(0))
    maps = column.combine_chunks()
    maps = maps.chunk(0) if isinstance(maps, pa.ChunkedArray) else maps
    lengths = np.diff(maps.offsets.to_numpy())
    keys = maps.keys.dictionary_encode()
    values = maps.items.to_numpy(zero_copy_only=False)
    missing: Any = np.nan if pa.types.is_floating(maps.type.item_type) else None
    matrix = np.full((len(maps), len(keys.dictionary)), missing, dtype=values.dtype)
    matrix[np.repeat(np.arange(len(maps)), lengths), keys.indices.to_numpy()] = values
    return pd.DataFrame(matrix, columns=keys.dictionary.to_pylist())
