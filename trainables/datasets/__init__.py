"""Data sets, one a file, each marked `@register("name")`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.catalogue import DATASETS

if TYPE_CHECKING:
    from trainables.datasets.base import Dataset


def default_root() -> Path:
    """Where data sets lie unless said otherwise: $CALIBSWEEP_DATA, or ~/.cache/calibsweep/data."""
    return Path(os.environ.get("CALIBSWEEP_DATA", Path.home() / ".cache" / "calibsweep" / "data"))


def load(name: str, root: Path | str | None = None, **params: Any) -> Dataset:
    """The data set called `name`, from the folder `root` (default: `default_root()`).

    Raises:
        ConfigurationError: An unknown name or parameter, with the nearest right one.
        DataError: Files that are missing or damaged.
    """
    dataset: Dataset = DATASETS.build(name, root=Path(root) if root else default_root(), **params)
    return dataset
