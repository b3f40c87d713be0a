"""Deletes obsolete files. Nothing depends on it: the next run retries failed deletions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from results.store.errors import StoreError
from results.store.files import Folder

NOTE = "tidying"
"""Kind of the note about a failed deletion. A sweep shows it once."""


class Tidying:
    """Deletes files of a store on a best-effort basis, and reports the first failure.

    Attributes:
        warn: Shows a line to the user; by default a warning in the log.
        warned: Whether a failure was reported.
    """

    def __init__(self, folder: Folder):
        self.folder = folder
        self.warn: Callable[[str], object] = logging.getLogger("calibsweep").warning
        self.warned = False

    def delete(self, paths: Iterable[str]) -> bool:
        """Deletes files. Returns whether all were deleted."""

        def delete() -> None:
            for path in paths:
                self.folder.delete(path)

        return self.attempt(delete)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Tries work that can wait. Returns whether it succeeded."""
        try:
            with self.folder.briefly():
                work()
            return True
        except StoreError as error:
            self.warn_once(f"{error} Leftover files are harmless; a later run deletes them.")
            return False

    def warn_once(self, line: str) -> None:
        if not self.warned:
            self.warned = True
            self.warn(line)
