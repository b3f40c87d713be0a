"""Each thing that a trial may leave behind: put back, or told as what cannot be."""

from __future__ import annotations

import builtins
import decimal
import faulthandler
import gc
import io
import json
import locale
import logging
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend

from trainables.process_state.state import Left, ProcessState
from trainables.training.execution import use_ieee_float32

F = nn.functional
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)


def product_of_changed_weight() -> list[float]:
    """Products with a weight before and after it was doubled: equal where it was cast once for both."""
    weight, found = nn.Parameter(torch.ones(1, 3)), []
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(F.linear(torch.ones(1, 3), weight).item())
        with torch.no_grad():
            weight *= 2
    return found


def gradient_of_square() -> list[float]:
    """A gradient that goes by what is kept of a weight's value, which has more digits than bfloat16 holds."""
    weight = nn.Parameter(torch.tensor([1.00390625]))
    weight.square().sum().backward()
    assert weight.grad is not None
    return weight.grad.tolist()


def outputs_of_changed_weight() -> list[float]:
    """Outputs of a layer whose weight is computed from another, before and after that was doubled."""
    layer, found = nn.Linear(4, 1, bias=False), []
    nn.init.ones_(layer.weight)
    nn.utils.parametrizations.weight_norm(layer)
    for _ in range(2):
        found.append(layer(torch.ones(4)).item())
        with torch.no_grad():
            layer.parametrizations.weight.original0 *= 2
    return found


def saved_and_loaded() -> list[float]:
    file = io.BytesIO()
    torch.save(torch.ones(3), file)
    file.seek(0)
    return torch.load(file).tolist()


def open_block(block: Any) -> None:
    """Enters a block that nothing leaves, not even the end of its object."""
    OPEN.append(block)
    block.__enter__()


OPEN: list[Any] = []


def start_group() -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)


# What is done, and what tells whether it is undone.
SPOILS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "default dtype": (lambda: torch.set_default_dtype(torch.float64), lambda: torch.ones(2).dtype),
    "default tensor type": (
        lambda: torch.set_default_tensor_type(torch.DoubleTensor),
        lambda: torch.ones(2).dtype,
    ),
    "default device": (lambda: torch.set_default_device("meta"), lambda: torch.ones(2).device),
    "default device as it is": (
        lambda: torch.set_default_device("cpu"),
        lambda: torch._C._len_torch_function_stack(),
    ),
    "threads": (lambda: torch.set_num_threads(3 + torch.get_num_threads()), torch.get_num_threads),
    "deterministic": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
    ),
    "memory that is filled": (
        lambda: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
        lambda: torch.utils.deterministic.fill_uninitialized_memory,
    ),
    "anomaly": (
        lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
    ),
    "gradient mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "autocast": (
        lambda: torch.autocast("cpu", dtype=torch.float16, cache_enabled=False).__enter__(),
        lambda: (
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
            torch.is_autocast_cache_enabled(),
        ),
    ),
    "blocks of autocast": (
        lambda: (torch.autocast("cpu").__enter__(), product_of_changed_weight()),
        lambda: product_of_changed_weight(),
    ),
    "hooks of saved tensors": (
        lambda: open_block(
            torch.autograd.graph.saved_tensors_hooks(torch.Tensor.bfloat16, torch.Tensor.float)
        ),
        gradient_of_square,
    ),
    "hooks that are forbidden": (
        lambda: open_block(torch.autograd.graph.disable_saved_tensors_hooks("no")),
        lambda: torch._C._autograd._saved_tensors_hooks_is_enabled(),
    ),
    "forward differentiation": (
        torch.autograd.forward_ad.enter_dual_level,
        lambda: torch.func.jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))[1].item(),
    ),
    "a level of vmap": (
        lambda: torch._C._functorch._vmap_increment_nesting(3, "error"),
        lambda: F.dropout(torch.ones(3), 0.0).tolist(),
    ),
    "cache of parametrizations": (
        lambda: (open_block(nn.utils.parametrize.cached()), outputs_of_changed_weight()),
        outputs_of_changed_weight,
    ),
    "saving without data": (lambda: open_block(torch.serialization.skip_data()), saved_and_loaded),
    "checksums of what is saved": (
        lambda: torch.serialization.set_crc32_options(False),
        torch.serialization.get_crc32_options,
    ),
    "functions of kinds of tensors": (
        lambda: open_block(torch._C.DisableTorchFunctionSubclass()),
        lambda: torch._C._is_torch_function_enabled(),
    ),
    "profiler": (
        lambda: open_block(torch.autograd.profiler.profile()),
        torch._C._autograd._profiler_enabled,
    ),
    "group of processes": (start_group, torch.distributed.is_initialized),
    "order of attention": (
        lambda: open_block(torch.nn.attention.sdpa_kernel([SDPBackend.MATH], set_priority=True)),
        lambda: (torch._C._get_sdp_priority_order(), torch.backends.cuda.flash_sdp_enabled()),
    ),
    "cudnn": (
        lambda: torch.backends.cudnn.set_flags(False, True, None, True, False),
        lambda: (torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic),
    ),
    "mkldnn": (lambda: torch.backends.mkldnn.set_flags(False), lambda: torch.backends.mkldnn.enabled),
    "matmul precision": (
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: (torch.get_float32_matmul_precision(), torch.backends.mkldnn.matmul.fp32_precision),
    ),
    "TF32 by its older names": (
        lambda: (
            setattr(torch.backends.cudnn, "allow_tf32", False),
            setattr(torch.backends.cuda.matmul, "allow_tf32", True),
        ),
        lambda: (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32),
    ),
    "TF32 by its newer names": (
        lambda: (
            setattr(torch.backends, "fp32_precision", "tf32"),
            setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee"),
            setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"),
            setattr(torch.backends.mkldnn, "fp32_precision", "bf16"),
        ),
        lambda: (
            torch.backends.cudnn.allow_tf32,
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.fp32_precision,
            torch.backends.cuda.matmul.fp32_precision,
            torch.backends.mkldnn.conv.fp32_precision,
        ),
    ),
    "what a GPU's trials set": (
        lambda: (use_ieee_float32(), setattr(torch.backends.cudnn, "benchmark", True)),
        lambda: (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32),
    ),
    "attention": (
        lambda: torch.backends.cuda.enable_flash_sdp(False),
        torch.backends.cuda.flash_sdp_enabled,
    ),
    "hooks": (
        lambda: nn.modules.module.register_module_forward_hook(lambda module, inputs, out: out + 1),
        lambda: nn.Identity()(torch.zeros(3)).sum().item(),
    ),
    "NumPy's errors": (lambda: np.seterr(all="raise"), np.geterr),
    "NumPy's printing": (lambda: np.set_printoptions(precision=2), np.get_printoptions),
    "warnings": (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    "environment": (
        lambda: os.environ.update(HOME="/nowhere", LEFT_BEHIND="1"),
        lambda: (os.environ["HOME"], os.environ.get("LEFT_BEHIND")),
    ),
    "environment that is gone": (lambda: os.environ.pop("PATH"), lambda: os.environ["PATH"]),
    "folder": (lambda: os.chdir("/"), os.getcwd),
    "umask": (
        lambda: os.umask(0o007),
        lambda: Path("/proc/self/status").read_bytes().split(b"Umask:")[1][:6],
    ),
    "locale": (
        lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    "decimals": (lambda: setattr(decimal.getcontext(), "prec", 3), lambda: decimal.Decimal(1) / 3),
    "output": (lambda: setattr(sys, "stdout", sys.__stderr__), lambda: sys.stdout),
    "signals": (
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGTERM),
    ),
    "signals that wait": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}),
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    ),
    "timer": (
        lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 3600),
        lambda: signal.getitimer(signal.ITIMER_VIRTUAL),
    ),
    "profile": (lambda: sys.setprofile(lambda *_: None), sys.getprofile),
    "recursion": (lambda: sys.setrecursionlimit(5000), sys.getrecursionlimit),
    "garbage": (gc.disable, gc.isenabled),
    "logging": (lambda: logging.disable(logging.CRITICAL), lambda: logging.root.manager.disable),
    "open files": (
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, OPEN_FILES[1])),
        lambda: resource.getrlimit(resource.RLIMIT_NOFILE),
    ),
    "processors": (
        lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        lambda: os.sched_getaffinity(0),
    ),
    "sockets": (lambda: socket.setdefaulttimeout(0.1), socket.getdefaulttimeout),
    "faulthandler": (faulthandler.disable, faulthandler.is_enabled),
    "a function of torch's": (lambda: setattr(F, "cross_entropy", F.nll_loss), lambda: F.cross_entropy),
    "a method of torch's": (
        lambda: setattr(nn.Linear, "forward", lambda self, inputs: inputs),
        lambda: nn.Linear(2, 3)(torch.ones(5, 2)).shape,
    ),
    "a method that hides another": (
        lambda: setattr(torch.Tensor, "softmax", lambda self, dim: self),
        lambda: torch.zeros(2).softmax(0).tolist(),
    ),
    "what a method of torch's takes where nothing is given": (
        lambda: setattr(nn.Linear.__init__, "__defaults__", (False, None, None)),
        lambda: nn.Linear(2, 3).bias is None,
    ),
    "a function of Python's": (lambda: setattr(builtins, "sum", lambda _: 0), lambda: builtins.sum([1, 2])),
    "a function of ours": (
        lambda: setattr(sys.modules["trainables.training.seeds"], "derive", lambda *_: 0),
        lambda: sys.modules["trainables.training.seeds"].derive("x"),
    ),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_changes_of_a_trial_are_undone(spoil: str) -> None:
    do, message = SPOILS[spoil]
    process = ProcessState()
    before = message()
    process.begin()
    do()
    left = process.end()
    assert left.put_back and not left.lasting
    assert message() == before
    process.begin()
    assert process.end() == Left()


def drawn() -> list[float]:
    return [random.random(), float(np.random.random()), torch.rand(()).item()]  # noqa: NPY002


def test_generators_go_on_as_if_no_trial_had_been() -> None:
    process = ProcessState()
    process.begin()
    expected = drawn()
    process.end()
    assert drawn() == expected


LASTING = """
    import ctypes, json, os, shutil, subprocess, sys, threading, time, tempfile
    import torch
    from concurrent.futures import ThreadPoolExecutor
    from trainables.process_state.state import ProcessState, _children

    def dispatch():
        from torch.utils._python_dispatch import TorchDispatchMode
        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                return function(*args, **(kwargs or {}))
        Mode().__enter__()

    def function_mode():
        torch.overrides.BaseTorchFunctionMode().__enter__()

    def operator():
        library = torch.library.Library("aten", "IMPL")
        library.impl("relu", lambda values: 2 * values, "CPU")
        return library

    def wait():
        time.sleep(3600)

    def forked():
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)

    SPOILS = {
        "thread": lambda: threading.Thread(target=wait, daemon=True).start(),
        "thread later": lambda: threading.Timer(3600, wait).start(),
        "thread of a pool": lambda: ThreadPoolExecutor(1).submit(wait),
        "child": lambda: subprocess.Popen(["sleep", "60"]),
        # With a folder, since posix_spawn of Python 3.13 takes no empty name.
        "nameless": lambda: subprocess.Popen([""], executable=shutil.which("cat"), stdin=-1, cwd="/"),
        "fork": forked,
        "inference": lambda: [mode := torch.inference_mode(), mode.__enter__()],
        "dispatch": dispatch,
        "operator": operator,
        "keys": torch._C._AutoDispatchBelowAutograd,
        "functions": function_mode,
        "interop": lambda: torch.set_num_interop_threads(7),
        "denormals": lambda: torch.set_flush_denormal(True),
        "rounding": lambda: ctypes.CDLL("libm.so.6").fesetround(0x800),
        "path": lambda: sys.path.insert(0, tempfile.gettempdir()),
        "closed": lambda: sys.stdin.close(),
        "redirected": lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2),
        # These are over, or a library's.
        "thread that ends": lambda: threading.Thread(target=time.sleep, args=(0.05,)).start(),
        "child that ends": lambda: subprocess.Popen(["sleep", "0.05"]),
        "idle pool": lambda: ThreadPoolExecutor(1).submit(len, ()).result(),
        "compiled": lambda: torch.compile(torch.nn.Linear(2, 3), backend="eager")(torch.ones(5, 2)),
    }

    for name, spoil in SPOILS.items():
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            process = ProcessState()
            process.begin()
            kept = spoil()
            os.write(write, json.dumps(process.end().lasting).encode())
            os.close(write)
            for started in _children():
                os.kill(started, 9)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as told:
            print(json.dumps([name, json.load(told)]), flush=True)
        os.waitpid(child, 0)
"""

NAMES = {
    "thread": "thread Thread-1 (wait)",
    "thread later": "thread Thread-1",
    "thread of a pool": "thread ThreadPoolExecutor-0_0",
    "child": "child process sleep 60",
    "nameless": "child process cat",
    "fork": "child process ",
    "inference": "inference mode",
    "dispatch": "torch dispatch modes",
    "operator": "torch operators",
    "keys": "dispatch keys",
    "functions": "torch function modes",
    "interop": "torch's inter-op threads",
    "denormals": "flushing of denormals",
    "rounding": "rounding",
    "path": "sys.path",
    "closed": "sys.stdin",
    "redirected": "file descriptor 2",
}


@pytest.mark.slow
def test_lasting_changes_are_reported(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LASTING)],
        cwd=repository, capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.PIPE,
    )  # fmt: skip
    found: dict[str, Any] = dict(map(json.loads, done.stdout.splitlines()))
    for name, message in found.items():
        expected = NAMES.get(name)
        assert bool(message) == (expected is not None), (name, message)
        if expected:
            assert any(each.startswith(expected) for each in message), (name, message)
    assert set(NAMES) < set(found)


PLUG_IN = """
    import os
    import torch

    os.environ["OF_A_PLUG_IN"] = "1"
    torch.set_default_dtype(torch.float64)
"""


def test_changes_by_an_import_apply_to_each_trial_of_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "changing_component.py").write_text(textwrap.dedent(PLUG_IN), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    process = ProcessState()

    def seen() -> tuple[torch.dtype, str | None]:
        return torch.get_default_dtype(), os.environ.get("OF_A_PLUG_IN")

    for modules, expected in [
        (["changing_component"], (torch.float64, "1")),
        (["math"], (torch.float32, None)),
        (["changing_component", "no_such_module"], (torch.float64, "1")),
    ]:
        process.begin(modules)
        assert seen() == expected
        assert process.end().lasting == ()
        assert seen() == (torch.float32, None)


def test_an_earlier_thread_is_not_attributed_to_a_trial() -> None:
    wait = threading.Event()
    before = threading.Thread(target=wait.wait, daemon=True)
    before.start()
    process = ProcessState()
    process.begin()
    assert process.end().lasting == ()
    wait.set()
