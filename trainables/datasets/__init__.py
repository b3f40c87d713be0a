"""Data sets, one per file, each marked `@register("name")`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.catalogue import DATASETS
from trainables.errors import DataError

if TYPE_CHECKING:
    from trainables.datasets.base import Dataset


def default_root() -> Path:
    """The default folder of the data sets: $CALIBSWEEP_DATA, or ~/.cache/calibsweep/data."""
    return Path(os.environ.get("CALIBSWEEP_DATA", Path.home() / ".cache" / "calibsweep" / "data"))


def load(name: str, /, root: Path | str | None = None, **params: Any) -> Dataset:
    """Loads the data set `name` from the folder `root` (default: `default_root()`).

    Raises:
        ConfigurationError: The name or a parameter is unknown. The message suggests the nearest one.
        DataError: Files are missing or damaged.
    """
    place = Path(root) if root else default_root()
    with telling(place):
        dataset: Dataset = DATASETS.build(name, root=place, **params)
    return dataset


@contextmanager
def telling(root: Path) -> Iterator[None]:
    """Adds a folder other than the default to the command that an error recommends."""
    try:
        yield
    except DataError as error:
        raise error.below(None if root == default_root() else root) from error.__cause__
