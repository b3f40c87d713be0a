"""The columns of a user's own tables, from CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainables.content import absent
from trainables.datasets.parts import PARTS, TRAIN, part_of
from trainables.errors import ConfigurationError, DataError
from trainables.texts import closest, visible

PARQUET = b"PAR1"
"""The first bytes of a Parquet file. Endings are not part of a digest, so they do not decide."""
ENDINGS = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Rows:
    """Attributes:
    columns: Values of each column by name, none is empty.
    places: The place of each row, such as 'line 3'.
    """

    columns: Mapping[str, list[str]]
    places: list[str]


def files(place: Path) -> dict[str, Path]:
    """The file of each part; of a single file, `train` alone.

    Raises:
        DataError: There is no training part, or something else beside the parts.
    """
    if place.is_file():
        return {TRAIN: place}
    if not place.is_dir():
        raise absent(place)
    listed = {path.stem: path for path in sorted(place.iterdir()) if path.suffix.lower() in ENDINGS}
    found = {part: listed[name] for name, part in part_of(list(listed), place).items()}
    if not found:
        raise DataError(f"{place} has no file train ({', '.join(ENDINGS)}).")
    return {part: found[part] for part in PARTS if part in found}


def read(
    path: Path,
    wanted: Mapping[str, str],
    *,
    others: bool = False,
    ignored: Collection[str] = (),
    texts: Collection[str] = (),
) -> Rows:
    """Reads some columns of a file.

    Args:
        wanted: Names of columns, by the parameters that name them.
        others: Whether to read all other columns too.
        ignored: Columns that are not read.
        texts: Columns that must not have numbers in a Parquet file.

    Raises:
        ConfigurationError: A column does not exist.
        DataError: The file is damaged or has no rows, a column has no name, or a value is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error

    def chosen(names: list[str]) -> list[str]:
        _check_columns(names, path, wanted)
        if not others:
            return list(wanted.values())
        for name in ignored:
            if name not in names:
                raise ConfigurationError(
                    f"{path} has no column {visible(name)!r}, named in ignored."
                    f"{closest(name, map(visible, names))}"
                )
        kept = [name for name in names if name not in ignored]
        for number, name in enumerate(names, 1):
            if not name.strip():
                raise DataError(
                    f"{path}: column {number} has no name: name it, or write the file without index."
                )
            if kept.count(name) > 1:
                raise DataError(f"{path} has several columns {visible(name)!r}: rename or remove some.")
        return kept

    is_parquet = content.startswith(PARQUET)
    columns, places = (
        _of_parquet(content, path, chosen, texts) if is_parquet else _of_text(content, path, chosen)
    )
    if not places:
        raise DataError(f"{path} has no rows.")
    remedy = ", or name the column in ignored" if others else ""
    for name, values in columns.items():
        for place, value in zip(places, values, strict=True):
            if value is None or not value.strip():
                raise DataError(
                    f"{path}, {place}: {visible(name)!r} is empty: complete or remove the row{remedy}."
                )
    return Rows({name: [str(value) for value in values] for name, values in columns.items()}, places)


Chosen = Callable[[list[str]], list[str]]
"""Chooses among the names of columns, and checks them."""
Columns = tuple[Mapping[str, list[str | None]], list[str]]
"""Columns by name, and the place of each row."""


def _of_parquet(content: bytes, path: Path, chosen: Chosen, texts: Collection[str]) -> Columns:
    try:
        from pyarrow import parquet, types
        from pyarrow.lib import ArrowException
    except ImportError as error:
        raise ConfigurationError(f"{path} is a Parquet file, which needs the package pyarrow.") from error
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    names = chosen(table.column_names)
    for name in names:
        kind = table.schema.field(name).type
        if name in texts and not (types.is_string(kind) or types.is_large_string(kind)):
            raise DataError(f"{path}: the column {name!r} has values of type {kind}, not texts.")
        if types.is_nested(kind):
            raise DataError(
                f"{path}: the column {visible(name)!r} has values of type {kind}, not single ones."
            )
    columns = {
        name: [None if value is None else str(value) for value in table.column(name).to_pylist()]
        for name in names
    }
    return columns, [f"row {number}" for number in range(1, len(table) + 1)]


def _of_text(content: bytes, path: Path, chosen: Chosen) -> Columns:
    """CSV, or TSV if the first line has a tab, quoted as by spreadsheets (RFC 4180)."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start + 1}).") from error
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    rows: list[list[str]] = []
    lines: list[str] = []
    with _long_fields():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        start = 1
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(f"line {start}")
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}.") from error
    header, *body = rows or [[]]
    names = chosen(header)
    for row, line in zip(body, lines[1:], strict=True):
        if len(row) != len(header):
            raise DataError(f"{path}, {line}: has {len(row)} values instead of {len(header)}.")
    return {name: [row[header.index(name)] for row in body] for name in names}, lines[1:]


def _check_columns(names: list[str], path: Path, wanted: Mapping[str, str]) -> None:
    if len(set(wanted.values())) < len(wanted):
        raise ConfigurationError(
            f"{' and '.join(wanted)} are the same column, {next(iter(wanted.values()))!r}."
        )
    for parameter, name in wanted.items():
        if names.count(name) != 1:
            several = f" has several columns {name!r}." if name in names else ""
            hint = several or f" has no column {name!r}.{closest(name, map(visible, names))}"
            raise ConfigurationError(f"{path}{hint} Set {parameter} to the name of the column.")


@contextmanager
def _long_fields() -> Iterator[None]:
    """Allows texts of more than 131,072 letters."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
