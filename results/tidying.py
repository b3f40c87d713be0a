"""Deleting what nobody needs any more. Nothing hangs on it: what cannot be deleted stays for the next try."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from results.errors import StoreError
from results.files import Folder

NOTE = "tidying"
"""The kind of what is told of it, which a whole sweep needs to hear once."""


class Tidying:
    """Deletes files of a store without insisting, and says once that it cannot.

    Args:
        tell: Shows a line to whoever looks on. Without it, it is a warning in the log.
    """

    def __init__(self, folder: Folder, tell: Callable[[str], None] | None = None):
        self.folder = folder
        self.tell = tell or logging.getLogger("calibsweep").warning
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
            if not self.told:
                self.told = True
                self.tell(f"{error} It only lies about, and is tried again later.")
            return False
