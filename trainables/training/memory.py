"""Memory: used by a trial, allowed on a shared GPU, and required for a trial that ran out of it."""

from __future__ import annotations

import math
import os
import re
import resource

import torch

GIB = 2**30
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": GIB}

CONTEXT_BYTES = int(0.6 * GIB)
"""Approximate memory of a GPU that CUDA and its libraries take in each process, uncounted by torch."""

STEP = 0.05
"""Proposed fractions are multiples of this."""


def use_large_pages() -> None:
    """Lets torch ask for pages of 2 MiB for large tensors on a CPU, unless the environment says otherwise.

    The tensors of an evaluation have hundreds of MiB, for each batch anew, and the system clears their pages.
    Small ones, of 4 KiB, take long (`benchmarks/pages.py`). torch reads this with its first large tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def limit(gpus: float, device: torch.device) -> None:
    """Limits a process to its share of a GPU, so that it gets the OutOfMemoryError and not its neighbour.

    Args:
        gpus: The share; 1 and more, or 0 for an unreserved GPU, mean no limit.
    """
    if device.type != "cuda":
        return
    share = 1.0
    if 0 < gpus < 1:
        total = torch.cuda.get_device_properties(device).total_memory
        share = max(0.0, gpus - CONTEXT_BYTES / total)
    # A reused process may have had another share.
    torch.cuda.set_per_process_memory_fraction(share, device.index)


def advice(gpus: float, device: torch.device, error: BaseException) -> str:
    """The advice for a trial that exceeded its share of a GPU; '' if it had no share.

    Call it before the memory is freed.
    """
    requested = requested_bytes(str(error))
    if device.type != "cuda" or not 0 < gpus < 1 or requested is None:
        return ""
    total = torch.cuda.get_device_properties(device).total_memory
    return share_advice(gpus, fitting_share(torch.cuda.memory_reserved(device), requested, total))


def share_advice(gpus: float, fitting: float | None) -> str:
    """The advice for a trial, by its share of a GPU and the smallest that would have sufficed."""
    if fitting is None:
        return f" (gpus: {gpus:g} is too small, and so is a whole GPU of this kind)"
    return f" (gpus: {gpus:g} is too small: set at least {fitting:g})"


def fitting_share(reserved: int, requested: int, total: int) -> float | None:
    """The smallest fraction of a GPU, in steps of 0.05, that would have sufficed for a trial.

    None if the whole GPU would not suffice.

    Args:
        reserved: Bytes of the GPU that torch had reserved.
        requested: Bytes of the failed allocation.
        total: Bytes of the GPU.
    """
    share = (reserved + requested + CONTEXT_BYTES) / total
    # 0.15 / 0.05 is a little more than 3.
    rounded = round(math.ceil(round(share / STEP, 6)) * STEP, 2)
    return rounded if rounded <= 1 else None


def is_exhausted(error: BaseException) -> bool:
    """Whether an error means that a GPU or the machine ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # When the machine runs out of memory, torch raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def requested_bytes(message: str) -> int | None:
    """Size of the failed allocation, from torch's message; None if it does not say."""
    found = re.search(r"Tried to allocate ([0-9.]+) (bytes|KiB|MiB|GiB)", message)
    return round(float(found[1]) * UNITS[found[2]]) if found else None


def peak_gib(device: torch.device) -> float:
    """On a GPU the peak allocation of this run, on a CPU the peak memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    # Linux counts in KiB. A reused process keeps the peak of earlier trials: an upper bound.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
