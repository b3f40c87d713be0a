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
        tell: Shows a line to the user; by default a warning in the log.
        told: Whether a failure was reported.
    """

    def __init__(self, folder: Folder):
        self.folder = folder
        self.tell: Callable[[str], object] = logging.getLogger("calibsweep").warning
        self.told = False

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
            self.tell_once(f"{error} The leftover is harmless; a later run retries.")
            return False

    def tell_once(self, line: str) -> None:
        if not self.told:
            self.told = True
            self.tell(line)
