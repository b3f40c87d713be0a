"""Refuses data that does not fit in memory, before it is read."""

from __future__ import annotations

from pathlib import Path

import psutil

from trainables.errors import InputError

BYTES_PER_NUMBER = 64
"""Peak memory of scoring per logit, in bytes, including the array as read."""

BYTES_PER_SAMPLE = 8192
"""Peak memory per sample, in bytes, for its confidence at each of 100 temperatures."""

CONTROL_GROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Free memory of the machine or of its container, in bytes."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        used = int((CONTROL_GROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return max(0, min(free, limit - used))


def check_fits(numbers: int, samples: int, file: object) -> None:
    """Raises InputError if the free memory does not suffice for the logits."""
    needed, free = numbers * BYTES_PER_NUMBER + samples * BYTES_PER_SAMPLE, available()
    if needed > free:
        raise InputError(
            f"{file} has {numbers:,} numbers. Scoring needs about {_size(needed)} of memory, but only "
            f"{_size(free)} are free: score part of the samples, or use a larger machine."
        )


def _size(size: int) -> str:
    """A number of bytes in words."""
    if size < 2**30:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**30:,.1f} GiB" if size < 2**60 else f"{size / 2**60:.3g} EiB"
