"""Prepares data sets before a sweep needs them, and checks a user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.catalogue import DATASETS
from trainables.content import PREFIX, absent, digest_of
from trainables.datasets import image_folder, rows, table, text_rows
from trainables.datasets import prepare as of_files
from trainables.datasets.decoding import in_threads
from trainables.datasets.files import Progress, silent
from trainables.datasets.parts import PARTS, TEST, VALIDATION, completed
from trainables.errors import ConfigurationError, DataError
from trainables.texts import visible

SHARES = {VALIDATION: 0.1, TEST: 0.2}
SPLIT_SEED = 1
"""The defaults of all three components."""
MOST_NAMED = 10
"""Of damaged pictures."""


@dataclass(frozen=True)
class Prepared:
    """Attributes:
    dataset: Its name.
    folder: Folder of its files; None if it comes with a library.
    """

    dataset: str
    folder: Path | None


@dataclass(frozen=True)
class Part:
    """Attributes:
    name: 'train', 'validation' or 'test'.
    drawn: Whether it is drawn from the training files, because it has none of its own.
    counts: Number of samples of each class.
    """

    name: str
    drawn: bool
    counts: Mapping[str, int]


@dataclass(frozen=True)
class OwnData:
    """Attributes:
    path: Absolute path.
    component: The data set that reads it, 'image_folder', 'text_table' or 'table'.
    columns: Its parameters that name columns, where they differ from the defaults.
    digest: The value that stands for the path in a trial's identity.
    parts: With the default fractions where parts are drawn.
    unit: Of the sizes: pixels of the shorter side, words, or columns of inputs.
    least_size, median_size, greatest_size: Over all samples.
    """

    path: Path
    component: str
    columns: Mapping[str, str | tuple[str, ...]]
    digest: str
    parts: tuple[Part, ...]
    unit: str
    least_size: int
    median_size: float
    greatest_size: int

    @property
    def classes(self) -> list[str]:
        return list(self.parts[0].counts)


def prepare(dataset: str, root: Path | str | None = None, *, progress: Progress = silent) -> Prepared:
    """Downloads, verifies and unpacks a data set once. After an interruption, the same call resumes.

    Args:
        root: The folder of the data sets (default: ~/.cache/calibsweep/data).
        progress: Called with the name of a step, its number done, and its total or None.

    Raises:
        ConfigurationError: The name is unknown. Suggests the nearest one.
        DataError: Files are missing or damaged. Says what to do by hand.
    """
    return Prepared(dataset, of_files.prepare(dataset, root, progress))


def check_data(
    path: Path | str,
    *,
    text: str = "text",
    label: str = "label",
    target: str = "",
    categories: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> OwnData:
    """Reads pictures, texts or a table of your own as a trial would, every one of them.

    Args:
        path: A folder of pictures, a table, or a folder of tables.
        text: Column of a table that has the texts.
        label: Column of a table of texts that has the classes.
        target: Column of a table of numbers and categories that has the classes; '' for a table of texts.
        categories: Columns of numbers that are categories.
        ignored: Columns that are no inputs.

    Raises:
        ConfigurationError: A column does not exist.
        DataError: The data are not there, damaged, or cannot be divided.
    """
    place = Path(path).expanduser().absolute()
    if not place.exists():
        raise absent(place)
    of_table = place.is_file() or any(each.suffix.lower() in rows.ENDINGS for each in _inside(place))
    if not target and (categories or ignored):
        raise ConfigurationError("categories and ignored need target, the column of classes of a table.")
    given: dict[str, str | tuple[str, ...]]
    sizes: Sequence[int]
    if target:
        found = table.read(place, target, categories, ignored)
        labels, sizes = found.labels, [len(found.names)]
        component, classes, unit = "table", found.classes, "columns"
        given = {"target": target, "categories": tuple(categories), "ignored": tuple(ignored)}
    elif of_table:
        try:
            texts = text_rows.read(place, text, label)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{error} If its columns are numbers or categories, give target."
            ) from error
        labels = {part: numbers for part, (_, numbers) in texts.parts.items()}
        sizes = [len(one.split()) for of, _ in texts.parts.values() for one in of]
        component, classes, unit = "text_table", texts.classes, "words"
        given = {"text": text, "label": label}
    else:
        pictures = image_folder.found(place)
        labels = {part: np.array([label for _, label in of]) for part, of in pictures.parts.items()}
        paths = [picture for of in pictures.parts.values() for picture, _ in of]
        sizes = _shorter_sides(paths, place)
        component, classes, unit, given = "image_folder", pictures.classes, "pixels", {}
    divided = completed(labels, SHARES, SPLIT_SEED, classes, place)
    parts = []
    for part in PARTS:
        source, at = divided[part]
        counts = np.bincount(labels[source][at], minlength=len(classes)).tolist()
        parts.append(Part(part, part not in labels, dict(zip(classes, counts, strict=True))))
    ordered = np.sort(sizes)
    entry = DATASETS[component]
    return OwnData(
        place,
        component,
        {name: value for name, value in given.items() if value != entry.usual[name]},
        PREFIX + digest_of(place, entry.spec.endings),
        tuple(parts),
        unit,
        int(ordered[0]),
        float(np.median(ordered)),
        int(ordered[-1]),
    )


def _shorter_sides(paths: Sequence[Path], place: Path) -> list[int]:
    """In pixels. Raises DataError that names several damaged pictures, since a trial names only one."""

    def side(path: Path) -> int | None:
        try:
            return min(image_folder.picture(path).size)
        except DataError:
            return None

    found = in_threads(side, paths)
    damaged = [
        path.relative_to(place).as_posix() for path, one in zip(paths, found, strict=True) if one is None
    ]
    if damaged:
        more = f" and {len(damaged) - MOST_NAMED} more" if len(damaged) > MOST_NAMED else ""
        names = ", ".join(visible(name) for name in damaged[:MOST_NAMED])
        raise DataError(f"{place}: not readable as pictures: {names}{more}. Replace or remove them.")
    return [one for one in found if one is not None]


def _inside(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder)]
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}.") from error
