"""Refusing, before anything is read, what cannot fit in memory."""

from __future__ import annotations

from pathlib import Path

import psutil

from trainables.errors import InputError

BYTES_PER_NUMBER = 64
"""What scoring takes for each logit at its peak, the array as read included."""

BYTES_PER_SAMPLE = 8192
"""And for each sample, whose confidence at each of 100 temperatures is kept."""

CONTROL_GROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that this process can still take: what the machine has free, or what its container is left."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        used = int((CONTROL_GROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return max(0, min(free, limit - used))


def check_fits(numbers: int, samples: int, what: object) -> None:
    """Raises InputError if so many logits, of so many samples, cannot be scored in what memory is free."""
    needed, free = numbers * BYTES_PER_NUMBER + samples * BYTES_PER_SAMPLE, available()
    if needed > free:
        raise InputError(
            f"{what} holds {numbers:,} numbers, and scoring them takes about {_told(needed)} of memory where "
            f"{_told(free)} are free: score a part of the samples, or on a larger machine."
        )


def _told(size: int) -> str:
    """A number of bytes in words."""
    if size < 2**30:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**30:,.1f} GiB" if size < 2**60 else f"{size / 2**60:.3g} EiB"
