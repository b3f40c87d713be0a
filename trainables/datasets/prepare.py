"""Data sets made ready before a sweep needs them."""

from __future__ import annotations

import importlib
from pathlib import Path

from trainables.catalogue import DATASETS
from trainables.datasets import default_root, telling
from trainables.datasets.base import Dataset
from trainables.datasets.files import Progress, silent


def prepare(name: str, root: Path | str | None = None, progress: Progress = silent) -> Path | None:
    """Downloads, verifies and unpacks a data set, once; where it is there already, verifies it.

    What was interrupted is gone on with by the same call. None of the data set's parameters matter: the
    files are the same for all of them.

    Args:
        root: The folder of the data sets (default: `default_root()`).
        progress: Told of each step.

    Returns:
        The data set's folder; None if it comes with a library and needs no files.

    Raises:
        ConfigurationError: An unknown name, with the nearest right one.
        DataError: Files that cannot be had or are damaged, and what to do by hand.
    """
    entry = DATASETS[name]
    component = getattr(importlib.import_module(entry.module), entry.attribute)
    # A function can be a component, too; then there is nothing to ask for files.
    if not (isinstance(component, type) and issubclass(component, Dataset)):
        return None
    place = Path(root).expanduser() if root else default_root()
    with telling(place):
        return component.prepare(place, progress)
