"""Checkpoints of unfinished trials, kept in the store, so that any machine can resume them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

from results.store.data_files import DIGEST_LENGTH, sha256
from results.store.file_info import FileInfo
from results.store.store import Store
from results.store.survey import CHECKPOINT_NAME

VOID = b""
"""Replaces a checkpoint that must not be resumed, if it cannot be deleted."""


class StoredCheckpoints:
    """The latest checkpoint of each trial, named by the digest of its content.

    Attributes:
        passed_over: Unusable checkpoints since the last call of `load`, as text, the latest first.
    """

    def __init__(self, store: Store):
        self.store = store
        self.tidying = store.tidying
        self.passed_over: list[str] = []
        self._kept: dict[str, list[str]] = {}
        """The known checkpoints of trials requested here, which need not be listed again."""

    def save(self, key: str, epoch: int, state: bytes, batch: int = 0) -> None:
        """Stores `state`, then deletes the checkpoints before it.

        Args:
            epoch: Number of finished epochs.
            batch: Number of finished batches of the next epoch.

        Raises:
            StoreError: The store cannot be written.
        """
        path = f"checkpoints/{key}/{epoch:06d}.{batch:06d}-{sha256(state)[:DIGEST_LENGTH]}.pt"
        self.store.folder.write(path, state)
        if key in self._kept:
            self._kept[key].append(path)
        self.tidying.attempt(lambda: self._delete(key, before=path))

    def epochs_done(self, key: str) -> int:
        """Number of finished epochs in the latest checkpoint; 0 without one."""
        epochs = (re.match(r"\d+", info.path.rsplit("/", 1)[-1]) for info in self._listed(key))
        return max((int(epoch[0]) for epoch in epochs if epoch), default=0)

    def load(self, key: str) -> Iterator[bytes]:
        """Intact checkpoints, the latest first; damaged ones are set aside."""
        self.passed_over = []
        found = self._listed(key)
        self._kept[key] = [info.path for info in found]
        for info in reversed(found):
            try:
                state = self.store.folder.read(info.path)
            except FileNotFoundError:
                continue  # Another driver finished this trial and deleted it.
            self.loaded = info
            if info.path.endswith(f"-{sha256(state)[:DIGEST_LENGTH]}.pt"):
                yield state
            elif state != VOID:
                whole = zipfile.is_zipfile(io.BytesIO(state))
                self.unusable("its bytes were altered" if whole else "it is truncated")
                self.tidying.attempt(lambda path=info.path: self.store.set_aside([path]))  # type: ignore[misc]

    def unusable(self, why: str) -> None:
        """Notes that training cannot resume from the checkpoint that `load` yielded last."""
        self.passed_over.append(f"that of {_moment(self.loaded.path)}: {why}")

    def delete(self, key: str) -> bool:
        """Deletes the checkpoints of a trial. Returns whether it could."""
        return self.tidying.attempt(lambda: self._delete(key))

    def forbid(self, key: str) -> None:
        """Prevents any run from resuming a trial's checkpoints, even if they cannot be deleted.

        Raises:
            StoreError: The store cannot be written either.
        """
        if not self.delete(key):
            for info in self._listed(key):
                self.store.folder.write(info.path, VOID)

    def _listed(self, key: str) -> list[FileInfo]:
        """Its checkpoints, without any other files in the folder or behind links."""
        folder = f"checkpoints/{key}/"
        infos = self.store.folder.list(folder.removesuffix("/"))
        return [info for info in infos if CHECKPOINT_NAME.fullmatch(info.path.removeprefix(folder))]

    def _delete(self, key: str, before: str | None = None) -> None:
        # After a partial failure, list the checkpoints again.
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = [info.path for info in self._listed(key)]
        for path in kept:
            if before is None or path < before:
                self.store.folder.delete(path)
        if before is not None:
            self._kept[key] = [path for path in kept if path >= before]


def moments_set_aside(store: Store) -> dict[str, list[str]]:
    """When the damaged checkpoints were saved, as text, by the keys of their trials."""
    found: dict[str, list[str]] = {}
    for info in store.folder.list("damaged/checkpoints"):
        _, _, key, *name = info.path.split("/")
        if name:
            found.setdefault(key, []).append(_moment(info.path))
    return found


def _moment(path: str) -> str:
    """The time of a checkpoint from its name: 'epoch 12', or 'epoch 12, batch 40'."""
    epoch, _, batch = path.rsplit("/", 1)[-1].partition("-")[0].partition(".")
    within = f", batch {int(batch)}" if batch.isdigit() and int(batch) else ""
    return f"epoch {int(epoch)}{within}" if epoch.isdigit() else path.rsplit("/", 1)[-1]
