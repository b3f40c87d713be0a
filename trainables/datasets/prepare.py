"""Prepares data sets before a sweep."""

from __future__ import annotations

import importlib
from pathlib import Path

from trainables.catalogue import DATASETS
from trainables.datasets import default_root, telling
from trainables.datasets.base import Dataset
from trainables.datasets.files import Progress, silent


def prepare(name: str, root: Path | str | None = None, progress: Progress = silent) -> Path | None:
    """Downloads, verifies and unpacks a data set. If it exists, only verifies it.

    After an interruption the same call resumes. The files are the same for all parameters of the data set.

    Args:
        name: A registered name.
        root: The folder of the data sets (default: `default_root()`).
        progress: Called at each step.

    Returns:
        The data set's folder; None if it comes with a library and needs no files.

    Raises:
        ConfigurationError: The name is unknown. The message suggests the nearest one.
        DataError: Files are unavailable or damaged. The message says what to do by hand.
    """
    entry = DATASETS[name]
    component = getattr(importlib.import_module(entry.module), entry.attribute)
    # A component may also be a function, which has no `prepare`.
    if not (isinstance(component, type) and issubclass(component, Dataset)):
        return None
    place = Path(root).expanduser() if root else default_root()
    with telling(place):
        return component.prepare(place, progress)
