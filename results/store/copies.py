"""The compacted copy: all rows of a folder in one file, so that thousands of trials are read at once.

    compacted/<folder>-<format>-<digest>.parquet

A copy may be deleted at any time: the one-row files are the record. Each of its rows tells which file it is
of, in which state, so that nothing is read off a copy that the file may no longer say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from results.store import rows
from results.store.data_files import sha256

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "compacted"
FORMAT = 2
"""A reader that meets another number leaves the copy alone."""

NAME = re.compile(r"(?:([a-z_]+)-)?([0-9]+)-([0-9a-f]+)\.parquet")

SOURCES = {
    "source_path": pa.string(),
    "source_size": pa.int64(),
    "source_version": pa.string(),
    "source_digest": pa.string(),
}
"""Columns that a copy has beside those of its rows: the file of each, as it was listed, and its SHA-256."""


def is_of(folder: str, name: str) -> bool:
    """Whether a file is, by its name, a copy of a folder's rows that this version reads."""
    found = NAME.fullmatch(name.removeprefix(f"{FOLDER}/"))
    return found is not None and (found[1], int(found[2])) == (folder, FORMAT)


def path(folder: str, content: bytes) -> str:
    return f"{FOLDER}/{folder}-{FORMAT}-{sha256(content)}.parquet"


def written(frame: pd.DataFrame) -> bytes:
    """The copy of rows as `rows.frame` gives them, with their sources."""
    ordered = frame.sort_values("source_path", ignore_index=True)
    return rows.to_parquet(pa.Table.from_pandas(ordered, preserve_index=False))


def read(folder: str, name: str, content: bytes, schema: pa.Schema) -> pd.DataFrame:
    """The rows of a copy.

    Args:
        folder: Where the rows are.
        name: The path of the copy, which digests it.
        schema: Of the rows.

    Raises:
        DamagedFileError: Anything that is not such a copy, whole.
    """
    if name != path(folder, content):
        raise rows.DamagedFileError("its bytes are not those that its name digests")
    table = rows.from_parquet(content)
    wanted = {**SOURCES, **{field.name: field.type for field in schema}}
    for column in (*rows.MAPS, "format"):
        del wanted[column]
    if len(table.schema.names) != len(set(table.schema.names)):
        raise rows.DamagedFileError("it has a column twice")
    for field in table.schema:
        if not _fits(field, wanted.pop(field.name, None)):
            raise rows.DamagedFileError(f"no such column as {field.name!r}")
    if wanted:
        raise rows.DamagedFileError(f"it has no column {next(iter(wanted))!r}")
    if any(table[name].null_count for name in table.schema.names if "." not in name):
        raise rows.DamagedFileError("a value is missing in it")
    try:
        # Text is not checked to be UTF-8 when a file is read.
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise rows.DamagedFileError(str(error)) from error
    frame: pd.DataFrame = table.to_pandas()
    keys = frame["source_path"].str.extract(r"^(.+)/([^/]+)\.parquet$")[1]
    if frame["source_path"].duplicated().any() or not keys.equals(frame["key"].rename(1)):
        raise rows.DamagedFileError("its rows are not those of the files that it names")
    return frame


def _fits(field: pa.Field, wanted: pa.DataType | None) -> bool:
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    if wanted is not None:
        return bool(is_text if wanted == pa.string() else field.type == wanted)
    of = field.name.partition(".")[0]
    if of == "provenance":
        # Null where no row has it.
        return bool(is_text or pa.types.is_null(field.type))
    return of in rows.MAPS and bool(pa.types.is_floating(field.type))
