"""Checkpoints of unfinished trials, kept in the store, so that any machine can go on from them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from results.data_files import sha256
from results.store import Store

DIGEST_LENGTH = 16
CHECKPOINT_NAME = re.compile(r"[0-9.]+-[0-9a-f]+\.pt")


class StoredCheckpoints:
    """The latest checkpoint of each trial, its name carrying the digest of its content."""

    def __init__(self, store: Store):
        self.store = store

    def save(self, key: str, epoch: int, state: bytes, batch: int = 0) -> None:
        """Keeps `state`, then forgets the checkpoints before it.

        Args:
            epoch: How many epochs are done.
            batch: And how many batches of the next.

        Raises:
            StoreError: A store that cannot be written.
        """
        path = f"checkpoints/{key}/{epoch:06d}.{batch:06d}-{sha256(state)[:DIGEST_LENGTH]}.pt"
        self.store.folder.write(path, state)
        for info in self.store.folder.list(f"checkpoints/{key}"):
            if info.path < path:
                self.store.folder.delete(info.path)

    def load(self, key: str) -> Iterator[bytes]:
        """Whole checkpoints, the latest first; damaged ones are set aside."""
        for info in reversed(list(self.store.folder.list(f"checkpoints/{key}"))):
            try:
                state = self.store.folder.read(info.path)
            except FileNotFoundError:
                continue  # another driver finished this trial and tidied up
            if info.path.endswith(f"-{sha256(state)[:DIGEST_LENGTH]}.pt"):
                yield state
            else:
                self.store.set_aside([info.path])

    def delete(self, key: str) -> None:
        folder = f"checkpoints/{key}"
        for info in self.store.folder.list(folder):
            self.store.folder.delete(info.path)
        self.store.folder.delete_folder_if_empty(folder)
