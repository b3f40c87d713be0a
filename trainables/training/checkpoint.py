"""Checkpoints as bytes: where they are kept is for others to say."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Protocol

import torch


class CheckpointStore(Protocol):
    """A place for the checkpoints of trials. What `load` yields is whole: half-written ones are not seen."""

    def save(self, key: str, epoch: int, state: bytes, batch: int = 0) -> None:
        """Keeps a state after so many whole epochs and so many batches of the next."""
        ...

    def load(self, key: str) -> Iterator[bytes]:
        """Checkpoints of a trial, the latest first."""
        ...

    def unusable(self, why: str) -> None:
        """Is told why the state that `load` gave last cannot be gone on from."""
        ...

    def delete(self, key: str) -> object: ...


def encode(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def decode(state: bytes) -> dict[str, Any]:
    """The state that was encoded, with its tensors on the CPU: `load_state_dict` moves them on.

    `weights_only` keeps a checkpoint that came from elsewhere from running code.
    """
    decoded: dict[str, Any] = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    return decoded
