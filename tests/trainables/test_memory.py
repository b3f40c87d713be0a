"""The advice for a trial that ran out of its share of a GPU, and large pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainables.training.memory import (
    CONTEXT_BYTES,
    GIB,
    advice,
    fitting_share,
    limit,
    requested_bytes,
    share_advice,
)

H100 = 80 * GIB
CONTEXT = CONTEXT_BYTES / GIB
MESSAGE = (
    "CUDA out of memory. Tried to allocate {}. GPU 0 has a total capacity of 79.11 GiB of which 70.01 GiB is "
    "free. 9.50 GiB allowed; Of the allocated memory 8.30 GiB is allocated by PyTorch, and 210.10 MiB is "
    "reserved by PyTorch but unallocated."
)


@pytest.mark.parametrize(
    ("reserved", "requested", "expected"),
    [
        (19.0, 0.1, 0.25),  # 19.7 GiB of 80
        (20 - CONTEXT, 0.0, 0.25),  # just as much as a quarter
        (20 - CONTEXT, 0.01, 0.3),
        (12 - CONTEXT, 0.0, 0.15),  # 0.15 / 0.05 is more than 3 in floating point
        (0.5, 1.0, 0.05),
        (70.0, 9.4, 1.0),
        (70.0, 9.5, None),
    ],
)
def test_the_share_that_would_have_fitted(reserved: float, requested: float, expected: float | None) -> None:
    assert fitting_share(int(reserved * GIB), int(requested * GIB), H100) == expected


def test_a_share_of_another_kind_of_gpu() -> None:
    assert fitting_share(int(19 * GIB), int(0.1 * GIB), 24 * GIB) == 0.85


@pytest.mark.parametrize(
    ("text", "size"),
    [("20.00 MiB", 20 * 2**20), ("2.50 GiB", 2.5 * GIB), ("512 bytes", 512), ("1.50 KiB", 1536)],
)
def test_the_requested_bytes_are_in_torchs_message(text: str, size: float) -> None:
    assert requested_bytes(MESSAGE.format(text)) == size
    assert requested_bytes("CUDA error: out of memory") is None


def test_the_advice_names_the_share_that_fits() -> None:
    assert "0.4" in share_advice(0.25, 0.4)
    assert "a whole GPU" in share_advice(0.25, None)


PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
LARGE = PAGES.read_text(encoding="utf-8") if PAGES.exists() else "[never]"


@pytest.mark.skipif("[never]" in LARGE, reason="there are no large pages")
@pytest.mark.parametrize("environment", ["", "0"])
def test_large_tensors_get_large_pages_unless_the_environment_forbids_it(environment: str) -> None:
    code = """
import resource, torch
from trainables.training import memory
memory.use_large_pages()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(100, 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    given = {"THP_MEM_ALLOC_ENABLE": environment} if environment else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **given, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    small = 400 * 2**20 // 4096
    large = "[always]" in LARGE or not environment
    assert (int(done.stdout) < small / 10) == large


def test_a_cpu_has_no_share() -> None:
    limit(0.25, torch.device("cpu"))
    error = torch.OutOfMemoryError(MESSAGE.format("2.00 GiB"))
    assert advice(0.25, torch.device("cpu"), error) == ""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_share_is_kept_to() -> None:
    device = torch.device("cuda")
    total = torch.cuda.get_device_properties(0).total_memory
    limit(0.1, device)
    try:
        with pytest.raises(torch.OutOfMemoryError) as raised:
            torch.empty(int(0.2 * total), dtype=torch.uint8, device=device)
        assert "0.2" in advice(0.1, device, raised.value)
    finally:
        limit(1, device)
    torch.empty(int(0.2 * total), dtype=torch.uint8, device=device)
