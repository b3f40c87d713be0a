"""Memory: what a trial took of it, what it may take of a GPU it shares, what would have been enough."""

from __future__ import annotations

import math
import re
import resource

import torch

GIB = 2**30
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": GIB}

CONTEXT_BYTES = int(0.6 * GIB)
"""What CUDA and its libraries take of a GPU in each process, which no limit of torch counts; about."""

STEP = 0.05
"""Fractions that are proposed are multiples of this."""


def limit(gpus: float, device: torch.device) -> None:
    """Makes what goes beyond a process's share of a GPU an OutOfMemoryError, its own and not a neighbour's.

    Args:
        gpus: The share; 1 and more, or 0 for a GPU that nobody reserved, are no limit.
    """
    if device.type != "cuda":
        return
    share = 1.0
    if 0 < gpus < 1:
        total = torch.cuda.get_device_properties(device).total_memory
        share = max(0.0, gpus - CONTEXT_BYTES / total)
    # A reused process may have had another share before.
    torch.cuda.set_per_process_memory_fraction(share, device.index)


def advice(gpus: float, device: torch.device, error: BaseException) -> str:
    """What to tell of a trial that ran out of its share of a GPU; '' where it had no share.

    To be called before the memory is given back.
    """
    asked = requested_bytes(str(error))
    if device.type != "cuda" or not 0 < gpus < 1 or asked is None:
        return ""
    total = torch.cuda.get_device_properties(device).total_memory
    return told(gpus, fitting_share(torch.cuda.memory_reserved(device), asked, total))


def told(gpus: float, fitting: float | None) -> str:
    """`advice` in words, from the share that a trial had and the one that would have fitted."""
    if fitting is None:
        return f" (gpus: {gpus:g} was too little, and a whole GPU of this kind would have been)"
    return f" (gpus: {gpus:g} was too little, {fitting:g} would have fitted what was asked for until then)"


def fitting_share(reserved: int, requested: int, total: int) -> float | None:
    """The smallest fraction of a GPU, in steps of 0.05, that would have sufficed for a trial.

    None where not even the whole of it would do.

    Args:
        reserved: Bytes that torch had taken of the GPU.
        requested: Bytes that were asked for and not to be had.
        total: Bytes of the GPU.
    """
    share = (reserved + requested + CONTEXT_BYTES) / total
    # 0.15 / 0.05 is a little more than 3.
    rounded = round(math.ceil(round(share / STEP, 6)) * STEP, 2)
    return rounded if rounded <= 1 else None


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that there was no memory left, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # What torch raises where the machine's own memory is at its end is any RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def requested_bytes(message: str) -> int | None:
    """How much the allocation wanted that failed, by torch's message; None if it does not say."""
    found = re.search(r"Tried to allocate ([0-9.]+) (bytes|KiB|MiB|GiB)", message)
    return round(float(found[1]) * UNITS[found[2]]) if found else None


def peak_gib(device: torch.device) -> float:
    """Of the GPU the most that was allocated in this run, of a CPU the most that the process ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    # Linux counts in KiB. A reused process keeps the peak of the trials before: an upper bound.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
