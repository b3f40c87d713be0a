"""A user's own table of numbers and categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.datasets import rows
from trainables.datasets.parts import TEST, TRAIN, VALIDATION, check_shares, classes_of, completed
from trainables.datasets.tables import TableDataset, Values
from trainables.errors import ConfigurationError, DataError
from trainables.registry import register
from trainables.texts import closest, visible


@register(
    "table",
    spec={"input": "table", "content": "path", "endings": [".csv", ".tsv", ".parquet"]},
)
class Table(TableDataset):
    """Your own table: a CSV, TSV or Parquet file, or a folder with train, validation and test.

    One column has the class, all others are inputs. A column of numbers is scaled; one of texts is a category
    with an input for each of its values (`TableDataset`). Both follow from the training part alone. A missing
    validation or test part is drawn from the training part, by class.

    Args:
        root: Unused: the table is in `path`.
        path: The file or folder. A trial's identity has a digest of its content instead.
        target: Name of the column of classes. Their order is numerical if all are numbers, else alphabetical.
        categories: Names of columns of numbers that are categories.
        ignored: Names of columns that are no inputs, such as that of an index.
        validation: Fraction of each class in the validation part, if there is no such file.
        test: Fraction of each class in the test part, if there is no such file.
        split_seed: Chooses the rows of these parts.

    Raises:
        ConfigurationError: A column does not exist, none is left as input, or a fraction is impossible.
        DataError: A file is damaged, a value is missing, a column has both numbers and texts, there is only
            one class, a class has too few rows, or columns or classes of parts differ.
    """

    def __init__(
        self,
        root: Path,
        path: str,
        target: str = "target",
        categories: tuple[str, ...] = (),
        ignored: tuple[str, ...] = (),
        validation: float = 0.1,
        test: float = 0.2,
        split_seed: int = 1,
    ):
        check_shares(validation, test)
        found = read(Path(path), target, categories, ignored)
        shares = {VALIDATION: validation, TEST: test}
        divided = completed(found.labels, shares, split_seed, found.classes, found.place)
        first = dict(zip(found.labels, np.cumsum([0, *map(len, found.labels.values())]), strict=False))
        chosen = {part: first[source] + at for part, (source, at) in divided.items()}
        super().__init__(found.values, chosen, len(found.classes), held_out=VALIDATION not in found.labels)


@dataclass(frozen=True)
class Found:
    """Attributes:
    place: The file or folder.
    classes: Their names: the label of a class is its position.
    labels: int64 [N] of each part that has a file; `train` is always there.
    names: Of the inputs.
    values: All rows, those of `train` first.
    """

    place: Path
    classes: list[str]
    labels: dict[str, np.ndarray]
    names: list[str]
    values: Values


def read(place: Path, target: str, categories: Sequence[str], ignored: Sequence[str]) -> Found:
    """Reads a table, or the tables train, validation and test of a folder.

    Args:
        target, categories, ignored: As of `Table`.

    Raises:
        ConfigurationError: A column does not exist, or none is left as input.
        DataError: As of `Table`.
    """
    parts = {
        part: rows.read(file, {"target": target}, others=True, ignored=ignored)
        for part, file in rows.files(place).items()
    }
    names = _inputs(parts, place, target, categories, ignored)
    targets = {part: [value.strip() for value in of.columns[target]] for part, of in parts.items()}
    classes = _classes({part: set(of) for part, of in targets.items()}, place, target)
    positions = {name: number for number, name in enumerate(classes)}
    labels = {
        part: np.array([positions[name] for name in of], dtype=np.int64) for part, of in targets.items()
    }
    places = [
        f"{place}, {part} {at}" if len(parts) > 1 else f"{place}, {at}"
        for part, of in parts.items()
        for at in of.places
    ]
    columns = {name: [value.strip() for of in parts.values() for value in of.columns[name]] for name in names}
    numbers = {
        name: found
        for name, column in columns.items()
        if name not in categories and (found := _numbers(name, column, places))
    }
    others = [column for name, column in columns.items() if name not in numbers]
    values = Values(
        str(place),
        np.array(list(numbers.values()), dtype=np.float64).reshape(len(numbers), len(places)).T,
        np.array(others, dtype=object).reshape(len(others), len(places)).T,
        np.concatenate(list(labels.values())),
    )
    return Found(place, classes, labels, names, values)


def _inputs(
    parts: dict[str, rows.Rows], place: Path, target: str, categories: Sequence[str], ignored: Sequence[str]
) -> list[str]:
    """Names of the columns that are inputs, in the order of the training file."""
    names = [name for name in parts[TRAIN].columns if name != target]
    for name in categories:
        if name not in names:
            raise ConfigurationError(
                f"{place} has no input {visible(name)!r}, named in categories."
                f"{closest(name, map(visible, names))}"
            )
    if not names:
        raise ConfigurationError(
            f"{place} has no column beside the target {visible(target)!r}"
            f"{' and those ignored' if ignored else ''}: a table needs an input."
        )
    for part, of in parts.items():
        for lacking, name in [
            *((part, name) for name in names if name not in of.columns),
            *((TRAIN, name) for name in of.columns if name not in (*names, target)),
        ]:
            raise DataError(
                f"{place}: the part {lacking} has no column {visible(name)!r}, which another part has."
            )
    return names


def _classes(parts: dict[str, set[str]], place: Path, target: str) -> list[str]:
    """The classes in their order.

    Raises:
        DataError: There is only one, or the classes of two parts differ.
    """
    if len(parts[TRAIN]) == 1:
        (only,) = parts[TRAIN]
        raise DataError(
            f"{place}: the target {visible(target)!r} has only the class {visible(only)!r}: at least 2 are "
            "needed."
        )
    found = classes_of(parts, place)
    numbers = [_number(name) for name in found]
    return found if None in numbers else sorted(found, key=lambda name: (float(name), name))


def _numbers(name: str, values: Sequence[str], places: Sequence[str]) -> list[float]:
    """The numbers of a column; none if it has no number.

    Raises:
        DataError: Some values are numbers, and others not.
    """
    found = [_number(value) for value in values]
    if all(number is None for number in found):
        return []
    for place, value, number in zip(places, values, found, strict=True):
        if number is None:
            raise DataError(
                f"{place}: {visible(name)!r} is {visible(value)!r}, but other values are numbers: complete "
                "or remove the row, or name the column in categories."
            )
    return [number for number in found if number is not None]


def _number(value: str) -> float | None:
    """A finite number; None for any other text."""
    try:
        # Python alone reads 1_000 as a number.
        number = float(value) if "_" not in value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
