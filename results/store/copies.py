"""The compacted copy: all rows of a folder in one file, so that thousands of trials can be read at once.

    compacted/<folder>-<format>-<digest>.parquet

A copy may be deleted at any time: the one-row files are the record. Each of its rows states its source file
and that file's version, so that outdated rows are never read from a copy.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

import pyarrow as pa

from results.store import rows
from results.store.address import TRIALS
from results.store.data_files import sha256

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "compacted"
FORMAT = 2
"""A reader ignores copies with another number."""


class OtherVersionError(Exception):
    """An intact copy that this version cannot read. It is ignored, never set aside."""


NAME = re.compile(r"(?:([a-z_]+)-)?([0-9]+)-([0-9a-f]+)\.parquet")

SOURCES = {
    "source_path": pa.string(),
    "source_size": pa.int64(),
    "source_version": pa.string(),
    "source_digest": pa.string(),
}
"""Further columns of a copy: the source file of each row, its listing, and its SHA-256."""


def is_of(folder: str, name: str) -> bool:
    """Whether a file, by its name, is a readable copy of a folder's rows."""
    found = NAME.fullmatch(name.removeprefix(f"{FOLDER}/"))
    return found is not None and (found[1], int(found[2])) == (folder, FORMAT)


def path(folder: str, content: bytes) -> str:
    return f"{FOLDER}/{folder}-{FORMAT}-{sha256(content)}.parquet"


def written(frame: pd.DataFrame) -> bytes:
    """The bytes of a copy of rows from `rows.frame`, with their sources."""
    ordered = frame.sort_values("source_path", ignore_index=True)
    return rows.to_parquet(pa.Table.from_pandas(ordered, preserve_index=False))


def read(folder: str, name: str, content: bytes) -> pd.DataFrame:
    """The rows of a copy.

    Args:
        folder: Folder of the rows.
        name: The path of the copy, which contains its digest.

    Raises:
        DamagedFileError: Its bytes do not match the digest in its name.
        OtherVersionError: A column is missing or has another type. Additional columns do not matter.
    """
    if name != path(folder, content):
        raise rows.DamagedFileError("its bytes do not match the digest in its name")
    try:
        return _read(rows.from_parquet(content), rows.OF_OTHERS if folder == TRIALS else rows.OF_TRIALS)
    except (rows.DamagedFileError, ValueError, pa.ArrowException) as error:
        raise OtherVersionError(str(error)) from error


def _read(table: pa.Table, nullable: Collection[str]) -> pd.DataFrame:
    """Raises ValueError or ArrowException for a table that is not a copy of rows.

    Args:
        nullable: The columns without values in these rows, or with values that follow from others.
    """
    types = {**SOURCES, **{field.name: field.type for field in rows.SCHEMA}}
    for column in (*rows.MAPS, "format"):
        del types[column]
    if len(table.schema.names) != len(set(table.schema.names)):
        raise ValueError("a column occurs twice")
    known = [field for field in table.schema if field.name in types or _is_of_a_map(field.name)]
    for field in known:
        if not _fits(field, types.get(field.name)):
            raise ValueError(f"column {field.name!r} has another type")
    # A copy written by an earlier version lacks the columns added since.
    if absent := types.keys() - {*table.schema.names, *nullable}:
        raise ValueError(f"column {min(absent)!r} is missing")
    if any(table[name].null_count for name in types if name not in nullable):
        raise ValueError("a value is missing")
    table = table.select([field.name for field in known])
    # Arrow does not validate UTF-8 when it reads a file.
    table.validate(full=True)
    frame = rows.completed(table.to_pandas())
    keys = frame["source_path"].str.extract(r"^(.+)/([^/]+)\.parquet$")[1]
    if frame["source_path"].duplicated().any() or not keys.equals(frame["key"].rename(1)):
        raise ValueError("its rows do not match their source files")
    return frame


def _is_of_a_map(column: str) -> bool:
    return column.partition(".")[0] in rows.MAPS and "." in column


def _fits(field: pa.Field, expected: pa.DataType | None) -> bool:
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    if expected is not None:
        is_empty = field.name in rows.NULLABLE and pa.types.is_null(field.type)
        return bool(is_empty or (is_text if expected == pa.string() else field.type == expected))
    of = field.name.partition(".")[0]
    if of == "provenance":
        # Null if no row has it.
        return bool(is_text or pa.types.is_null(field.type))
    return of in rows.MAPS and bool(pa.types.is_floating(field.type))
