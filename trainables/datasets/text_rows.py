"""A user's own labelled texts, from CSV, TSV or Parquet."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.content import absent
from trainables.datasets.base import Split
from trainables.datasets.parts import (
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    check_shares,
    classes_of,
    completed,
    part_of,
)
from trainables.errors import ConfigurationError, DataError
from trainables.texts import closest, visible

PARQUET = b"PAR1"
"""The first bytes of a Parquet file. Endings are not part of a digest, so they do not decide."""
ENDINGS = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Texts:
    """Attributes:
    place: The file or folder.
    classes: Their names, in alphabetical order: the label of a class is its position.
    parts: Texts and labels of each part that has a file, in its order; `train` is always there.
    """

    place: Path
    classes: list[str]
    parts: dict[str, tuple[list[str], np.ndarray]]

    def divided(
        self, validation: float, test: float, seed: int
    ) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
        """Texts, labels [N] and ids [N] of all three parts, some of them drawn from the training part.

        An id is the position of a text in the files, `train` first.

        Args:
            validation, test: Shares of these parts, if they have no files.
            seed: Chooses their texts.

        Raises:
            ConfigurationError: A share is impossible.
            DataError: A class has too few texts.
        """
        check_shares(validation, test)
        labels = {part: numbers for part, (_, numbers) in self.parts.items()}
        shares = {VALIDATION: validation, TEST: test}
        first = dict(zip(labels, np.cumsum([0, *map(len, labels.values())]), strict=False))
        found = {}
        for part, (source, at) in completed(labels, shares, seed, self.classes, self.place).items():
            texts, numbers = self.parts[source]
            found[part] = [texts[i] for i in at], numbers[at], first[source] + at
        return found


def split(inputs: Tensor, labels: np.ndarray, ids: np.ndarray) -> Split:
    return Split(inputs, torch.from_numpy(labels), torch.from_numpy(ids))


def read(place: Path, text: str, label: str) -> Texts:
    """Reads a file, or the files train, validation and test of a folder.

    Args:
        text, label: Names of the columns.

    Raises:
        ConfigurationError: A column does not exist.
        DataError: A file is damaged, a value is missing, there is one class, or the classes of parts differ.
    """
    parts = {part: _rows(path, text, label) for part, path in files(place).items()}
    classes = classes_of({part: set(names) for part, (_, names) in parts.items()}, place)
    numbers = {name: number for number, name in enumerate(classes)}
    return Texts(
        place,
        classes,
        {
            part: (texts, np.array([numbers[name] for name in names], dtype=np.int64))
            for part, (texts, names) in parts.items()
        },
    )


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


def _rows(path: Path, text: str, label: str) -> tuple[list[str], list[str]]:
    """Texts and names of classes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    read = _of_parquet if content.startswith(PARQUET) else _of_text
    columns, numbers = read(content, path, (text, label))
    if not numbers:
        raise DataError(f"{path} has no rows.")
    for name, values in columns.items():
        for number, value in zip(numbers, values, strict=True):
            if value is None or not value.strip():
                raise DataError(f"{path}, {number}: {name!r} is empty: complete or remove the row.")
    return [str(value) for value in columns[text]], [str(value).strip() for value in columns[label]]


Columns = tuple[Mapping[str, list[str | None]], list[str]]
"""Columns by name, and the place of each row, such as 'line 3'."""


def _of_parquet(content: bytes, path: Path, wanted: tuple[str, str]) -> Columns:
    try:
        from pyarrow import parquet, types
        from pyarrow.lib import ArrowException
    except ImportError as error:
        raise ConfigurationError(f"{path} is a Parquet file, which needs the package pyarrow.") from error
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    _check_columns(table.column_names, path, wanted)
    kind = table.schema.field(wanted[0]).type
    if not (types.is_string(kind) or types.is_large_string(kind)):
        raise DataError(f"{path}: the column {wanted[0]!r} has values of type {kind}, not texts.")
    columns = {
        name: [None if value is None else str(value) for value in table.column(name).to_pylist()]
        for name in wanted
    }
    return columns, [f"row {number}" for number in range(1, len(table) + 1)]


def _of_text(content: bytes, path: Path, wanted: tuple[str, str]) -> Columns:
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
    _check_columns(header, path, wanted)
    for row, line in zip(body, lines[1:], strict=True):
        if len(row) != len(header):
            raise DataError(f"{path}, {line}: has {len(row)} values instead of {len(header)}.")
    return {name: [row[header.index(name)] for row in body] for name in wanted}, lines[1:]


def _check_columns(names: list[str], path: Path, wanted: tuple[str, str]) -> None:
    if wanted[0] == wanted[1]:
        raise ConfigurationError(f"text and label are the same column, {wanted[0]!r}.")
    for parameter, name in zip(("text", "label"), wanted, strict=True):
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
