"""CSV and Parquet: one row per sample, a column of labels, and K columns of logits or one column of lists."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from results.scoring.logits_input.arrays import AnyArray, Array, PartName, in_memory
from results.scoring.logits_input.columns import Columns, Kind, columns
from results.scoring.logits_input.memory import check_fits
from results.scoring.logits_input.names import Names, part_of, role_of
from results.scoring.logits_input.notes import Note, shortened
from trainables.errors import DataError, InputError

HEADER = 2**22
"""Longest first line of a CSV file, in bytes: enough for the names of 300,000 columns."""

BLOCK = 2**20

EXAMPLE = "label,logit_0,logit_1"

SEPARATORS = ",;\t"


def csv_file(path: Path, names: Names, *, probabilities: bool = False) -> tuple[list[Array], list[Note]]:
    """The arrays of a CSV file with names of columns in its first line; `;` and tabs separate as well.

    Raises:
        DataError: A file that is damaged.
        InputError: A file without the columns that scores need, or one too large for the memory that is free.
    """
    separator, lines = _separator(path), _lines(path)
    if not lines:
        raise InputError(f"{path} has no rows.")
    layout = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    reading = pyarrow.csv.ReadOptions(block_size=BLOCK + HEADER)
    try:
        with pyarrow.csv.open_csv(path, reading, layout) as reader:
            schema = reader.schema
        found = columns(_kinds(schema) | _not_all_numbers(schema), names, path, probabilities=probabilities)
        check_fits(lines * len(found.logits), lines, path)
        # The first rows may be misleading: 1 before 1.5, or text labels only further down.
        types = {name: pa.float64() for name in found.logits}
        types |= {name: pa.string() for name in (found.labels, found.split) if name is not None}
        converting = pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True
        )
        table = pyarrow.csv.read_csv(path, reading, layout, converting)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    return _arrays(path, table, found)


def parquet_file(path: Path, names: Names, *, probabilities: bool = False) -> tuple[list[Array], list[Note]]:
    """The arrays of a Parquet file, such as the store's own in `predictions/`. Raises as `csv_file` does."""
    try:
        with pq.ParquetFile(path) as file:
            found = columns(_kinds(file.schema_arrow), names, path, probabilities=probabilities)
            check_fits(_values(file.metadata, found.logits), file.metadata.num_rows, path)
            used = [name for name in (*found.logits, found.labels, found.split) if name is not None]
            table = file.read(columns=used)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged or incomplete: {str(error).splitlines()[0]}") from error
    return _arrays(path, table, found)


def _separator(path: Path) -> str:
    """The separator of a CSV file. Raises InputError if its first line has no names of columns."""
    with path.open("rb") as file:
        first = file.read(HEADER).partition(b"\n")
    if len(first[0]) == HEADER:
        raise InputError(f"{path} is not a CSV file: its first line does not end.")
    try:
        line = first[0].decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} has an unsupported format: save arrays with numpy.savez.") from error
    separator = max(SEPARATORS, key=line.count)
    cells = next(csv.reader([line], delimiter=separator), [])
    if len(cells) < 2:
        raise InputError(f"{path} is not a table: its first line does not name the columns, as in {EXAMPLE}.")
    if all(_is_number(cell) for cell in cells):
        raise InputError(f"{path} begins with numbers: name the columns in its first line, as in {EXAMPLE}.")
    twice = [cell for cell, number in Counter(cells).items() if number > 1]
    if twice:
        raise InputError(f"{path} has several columns {twice[0]!r}: give each its own name.")
    return separator


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> int:
    """Lines after the first: at least as many as there are rows."""
    number, last = 0, b""
    with path.open("rb") as file:
        for last in iter(lambda: file.read(BLOCK), b""):
            number += last.count(b"\n")
    return number - last.endswith(b"\n")


def _values(metadata: pq.FileMetaData, names: Sequence[str]) -> int:
    """Number of values in these columns, according to the file."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(place) for group in groups for place in range(metadata.num_columns))
    used = set(names)
    return sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.partition(".list.")[0] in used)


def _kinds(schema: pa.Schema) -> dict[str, Kind]:
    return {column.name: _kind(column.type) for column in schema}


def _not_all_numbers(schema: pa.Schema) -> dict[str, Kind]:
    """Columns of logits with non-numeric values, for the error message."""
    texts = [name for name, kind in _kinds(schema).items() if kind == "text"]
    return {
        name: "number"
        for name in texts
        if re.search(r"\d$", name) and (role_of(name) or ("",))[0] == "logits"
    }


def _kind(type_: pa.DataType) -> Kind:
    if pa.types.is_dictionary(type_):
        return _kind(type_.value_type)
    is_a = pa.types
    if is_a.is_null(type_):
        # Only empty cells so far.
        return "number"
    if is_a.is_integer(type_) or is_a.is_floating(type_) or is_a.is_decimal(type_) or is_a.is_boolean(type_):
        return "number"
    if is_a.is_list(type_) or is_a.is_large_list(type_) or is_a.is_fixed_size_list(type_):
        return "list" if _kind(type_.value_type) == "number" else "other"
    return "text" if is_a.is_string(type_) or is_a.is_large_string(type_) else "other"


def _arrays(path: Path, table: pa.Table, found: Columns) -> tuple[list[Array], list[Note]]:
    if not table.num_rows:
        raise InputError(f"{path} has no rows.")
    notes = []
    if found.guessed:
        listed = shortened([repr(name) for name in found.logits])
        notes.append(Note("columns", f"the logits of {path} are the columns {listed}, in this order."))
    parts: dict[PartName | None, pa.Table] = {None: table}
    if found.split is not None:
        parts = _split(path, table, found.split)
    arrays = []
    for part, rows in parts.items():
        arrays.append(in_memory(path, found.called, _logits(path, rows, found), part, "logits"))
        arrays.append(in_memory(path, found.labels, _labels(rows[found.labels]), part, "labels"))
    return arrays, notes


def _split(path: Path, table: pa.Table, name: str) -> dict[PartName | None, pa.Table]:
    column = table[name].cast(pa.string())
    parts: dict[PartName | None, pa.Table] = {}
    values = column.unique().to_pylist()
    if not any(part_of(value or "") for value in values):
        # The column distinguishes something else.
        return {None: table}
    for value in values:
        part = part_of(value or "")
        if part is None or part in parts:
            raise InputError(f"{path}: column {name!r} has {value!r} instead of validation or test.")
        parts[part] = table.filter(pc.equal(column, value))
    return parts


def _logits(path: Path, table: pa.Table, found: Columns) -> AnyArray:
    """[N, K]. Empty cells are NaN, which is refused by its row and column like any other."""
    if _kind(table.schema.field(found.logits[0]).type) == "number":
        return np.column_stack([_numbers(table[name]) for name in found.logits])
    lists = table[found.logits[0]].combine_chunks()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) != 1 or lists.null_count:
        listed = shortened([str(length) for length in lengths])
        raise InputError(
            f"{path}: the lists in {found.logits[0]!r} differ in length ({listed}): each must have K logits."
        )
    return _numbers(lists.flatten()).reshape(len(lists), lengths[0])


def _labels(column: pa.ChunkedArray) -> AnyArray:
    """The labels as numbers if possible, else unchanged."""
    if _kind(column.type) == "text":
        for type_ in (pa.int64(), pa.float64(), pa.bool_()):
            try:
                return _numbers(column.cast(pa.string()).cast(type_))
            except pa.ArrowInvalid:
                continue
        text: AnyArray = np.asarray(column.to_pylist(), dtype=np.str_)
        return text
    return _numbers(column)


def _numbers(column: pa.Array | pa.ChunkedArray) -> AnyArray:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: AnyArray = (
        column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    )
    # Booleans with empty cells arrive as objects.
    return values.astype(np.float64) if values.dtype.hasobject else values
