"""Deleting what nobody needs any more. Nothing hangs on it: what cannot be deleted stays for the next try."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from results.store.errors import StoreError
from results.store.files import Folder

NOTE = "tidying"
"""The kind of a note that tells of it, which a whole sweep needs to hear once."""


class Tidying:
    """Deletes files of a store without insisting, and says once that it cannot.

    Attributes:
        tell: Shows a line to whoever looks on; a warning in the log as long as it is not set.
        told: Whether they know.
    """

    def __init__(self, folder: Folder):
        self.folder = folder
        self.tell: Callable[[str], object] = logging.getLogger("calibsweep").warning
        self.told = False

    def delete(self, paths: Iterable[str]) -> bool:
        """Returns whether all are gone."""

        def delete() -> None:
            for path in paths:
                self.folder.delete(path)

        return self.attempt(delete)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Does something that may as well be done later. Returns whether it was done."""
        try:
            with self.folder.briefly():
                work()
            return True
        except StoreError as error:
            self.tell_once(f"{error} It only lies about, and is tried again later.")
            return False

    def tell_once(self, line: str) -> None:
        if not self.told:
            self.told = True
            self.tell(line)
