"""Checkpoints as bytes, wherever they are stored."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Protocol

import torch


class CheckpointStore(Protocol):
    """Stores checkpoints of trials. `load` yields complete ones only."""

    def save(self, key: str, epoch: int, state: bytes, batch: int = 0) -> None:
        """Stores a state after `epoch` complete epochs and `batch` batches of the next."""
        ...

    def load(self, key: str) -> Iterator[bytes]:
        """Yields the checkpoints of a trial, the latest first."""
        ...

    def unusable(self, why: str) -> None:
        """Is called with the reason if training cannot resume from the state that `load` yielded last."""
        ...

    def delete(self, key: str) -> object: ...


def encode(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def decode(state: bytes) -> dict[str, Any]:
    """The decoded state, with its tensors on the CPU: `load_state_dict` moves them to the device.

    `weights_only` prevents a foreign checkpoint from running code.
    """
    decoded: dict[str, Any] = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    return decoded
