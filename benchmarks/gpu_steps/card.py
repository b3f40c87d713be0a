"""Identifies the card, and measures its rates."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch

from gpu_steps.bench import Bench, NotRun
from trainables.builds import check_builds
from trainables.errors import ConfigurationError
from trainables.floor import Rates
from trainables.training.execution import use_ieee_float32
from trainables.training.memory import GIB

COPIED_BYTES = {"cuda": 2 * GIB, "cpu": GIB // 4}
MATRIX_SIDE = {"cuda": {"bfloat16": 8192, "float32": 8192}, "cpu": {"bfloat16": 512, "float32": 512}}
TINY_BYTES, TINY_SIDE = 2**20, 64
REPEATS, AT_ONCE = 5, 5


def card(bench: Bench) -> None:
    """Finds name, driver and versions, then the bandwidth of a copy and the rates of matrix products."""
    device = torch.device(bench.device)
    bench.measure("identity", lambda: identity(device))
    bench.measure("torchvision", torchvision_version)
    bench.measure("rates", lambda: as_data(measured_rates(device, bench.tiny)))


def identity(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": "cpu",
        "driver": "",
        # Not torch's own string class, since the receiver would have to import torch.
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["name"] = properties.name
        found["memory_gib"] = properties.total_memory / GIB
        found["capability"] = f"{properties.major}.{properties.minor}"
        found["driver"] = driver_version()
    return found


def torchvision_version() -> dict[str, str]:
    """Raises NotRun if it does not match torch: only the straightforward loop needs it."""
    try:
        check_builds()
    except ConfigurationError as error:
        raise NotRun(str(error)) from error
    import torchvision

    return {"version": torchvision.__version__}


def driver_version() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip().partition("\n")[0]


def measured_rates(device: torch.device, tiny: bool = False) -> Rates:
    """Measures the bandwidth of a copy in the device's memory, and matrix products without TF32."""
    use_ieee_float32()
    size = TINY_BYTES if tiny else COPIED_BYTES[device.type]
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    moved = 2 * size / least_seconds(lambda: target.copy_(source), device)
    rates = {}
    for precision, side in MATRIX_SIDE[device.type].items():
        side = TINY_SIDE if tiny else side
        matrix = torch.randn(side, side, device=device, dtype=getattr(torch, precision))
        product = torch.empty_like(matrix)
        rates[precision] = (
            2
            * side**3
            / least_seconds(
                lambda matrix=matrix, product=product: torch.mm(matrix, matrix, out=product), device
            )
        )
    return Rates(moved, rates)


def least_seconds(work: Callable[[], object], device: torch.device) -> float:
    """The least of several measurements, each the mean time of some calls in a row."""
    work()
    seconds = []
    for _ in range(REPEATS):
        synchronise(device)
        started = time.perf_counter()
        for _ in range(AT_ONCE):
            work()
        synchronise(device)
        seconds.append((time.perf_counter() - started) / AT_ONCE)
    return min(seconds)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """The seconds that work takes until its device is done."""
    synchronise(device)
    started = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - started


def as_data(rates: Rates) -> dict[str, float]:
    flops = {f"{name}_flops_per_second": rate for name, rate in rates.flops_per_second.items()}
    return {"bytes_per_second": rates.bytes_per_second, **flops}


def from_data(found: dict[str, float] | None) -> Rates | None:
    if found is None:
        return None
    ending = "_flops_per_second"
    flops = {name.removesuffix(ending): rate for name, rate in found.items() if name.endswith(ending)}
    return Rates(found["bytes_per_second"], flops)
