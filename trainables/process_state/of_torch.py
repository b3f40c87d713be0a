"""Global settings of torch. A changed one may alter the numbers of the next trial, or end it."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer

from trainables.process_state.of_torch_blocks import BLOCKS
from trainables.process_state.setting import Setting, attribute

SMALLEST_NORMAL = sys.float_info.min
HALF_OF_EPSILON = sys.float_info.epsilon / 4

HOOKS = [
    (owner, name)
    for owner in (torch_module, torch_optimizer)
    for name in vars(owner)
    if name.startswith("_global_")
]


def _default_device(device: torch.device) -> None:
    torch.set_default_device(None)
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _autocast(device: str) -> list[Setting]:
    return [
        Setting(
            f"autocast on {device}",
            lambda: torch.is_autocast_enabled(device),
            lambda value: torch.set_autocast_enabled(device, value),
        ),
        Setting(
            f"autocast dtype on {device}",
            lambda: torch.get_autocast_dtype(device),
            lambda value: torch.set_autocast_dtype(device, value),
        ),
    ]


def _autocast_depth() -> int:
    entered: int = torch.autocast_increment_nesting()
    torch.autocast_decrement_nesting()
    return entered - 1


def _leave_autocast(depth: int) -> None:
    for _ in range(_autocast_depth() - depth):
        torch.autocast_decrement_nesting()
    # Cast weights stay in the cache until the outermost block is left, even after optimiser steps.
    torch.clear_autocast_cache()


def _hooks() -> list[Any]:
    found = [getattr(owner, name) for owner, name in HOOKS]
    return [dict(value) if isinstance(value, dict) else value for value in found]


def _put_hooks(hooks: list[Any]) -> None:
    for (owner, name), value in zip(HOOKS, hooks, strict=True):
        if isinstance(value, dict):
            # Others may refer to the dictionary.
            there = getattr(owner, name)
            there.clear()
            there.update(value)
        else:
            setattr(owner, name, value)


def _cuda_device() -> int:
    return torch.cuda.current_device() if _has_cuda() else 0


def _has_cuda() -> bool:
    started: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return started


def _cuda_stream() -> int:
    return torch.cuda.current_stream().cuda_stream if _has_cuda() else 0


def _put_cuda_stream(stream: int) -> None:
    default = torch.cuda.default_stream()
    torch.cuda.set_stream(torch.cuda.ExternalStream(stream) if stream else default)  # type: ignore[no-untyped-call]


ATTRIBUTES = (
    "utils.deterministic.fill_uninitialized_memory",
    "backends.cudnn.enabled",
    "backends.cudnn.benchmark",
    "backends.cudnn.benchmark_limit",
    "backends.cudnn.deterministic",
    "backends.mkldnn.enabled",
    "backends.mkldnn.deterministic",
    "backends.opt_einsum.enabled",
    "backends.opt_einsum.strategy",
    "backends.quantized.engine",
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction",
    "backends.cuda.matmul.allow_fp16_accumulation",
    # Aliases that change one another: restored in several rounds.
    "backends.fp32_precision",
    "backends.cudnn.fp32_precision",
    "backends.cudnn.conv.fp32_precision",
    "backends.cudnn.rnn.fp32_precision",
    "backends.cuda.matmul.fp32_precision",
    "backends.mkldnn.fp32_precision",
    "backends.mkldnn.matmul.fp32_precision",
    "backends.mkldnn.conv.fp32_precision",
    "backends.mkldnn.rnn.fp32_precision",
    "backends.cudnn.allow_tf32",
    "backends.cuda.matmul.allow_tf32",
)

TORCH = [
    # First, because modes affect all later calls of torch.
    Setting("torch's default device", torch.get_default_device, _default_device),
    Setting(
        "torch function modes",
        torch._C._len_torch_function_stack,
        # A default device is such a mode too, even if it equals the usual one.
        lambda depth: torch.set_default_device(None),
    ),
    Setting("torch dispatch modes", torch._C._len_torch_dispatch_stack),
    *BLOCKS,
    Setting("inference mode", torch.is_inference_mode_enabled),
    Setting("gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
    Setting("torch's inter-op threads", torch.get_num_interop_threads),
    Setting(
        "deterministic algorithms",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    Setting(
        "anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.autograd.set_detect_anomaly(*value),
    ),
    Setting(
        "autograd threads",
        torch._C._is_multithreading_enabled,
        lambda value: torch._C._set_multithreading_enabled(value),
    ),
    *_autocast("cpu"),
    *_autocast("cuda"),
    Setting("autocast blocks", _autocast_depth, _leave_autocast),
    Setting("autocast cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    *[attribute(torch, name, "torch.") for name in ATTRIBUTES],
    Setting(
        "float32 matmul precision",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    *[
        Setting(
            f"{kind} attention",
            getattr(torch.backends.cuda, f"{kind}_sdp_enabled"),
            getattr(torch.backends.cuda, f"enable_{kind}_sdp"),
        )
        for kind in ("flash", "mem_efficient", "math", "cudnn")
    ],
    Setting(
        "reduced-precision attention",
        torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed,
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp,
    ),
    Setting(
        "linear algebra library",
        torch.backends.cuda.preferred_linalg_library,
        torch.backends.cuda.preferred_linalg_library,
    ),
    Setting(
        "BLAS library",
        torch.backends.cuda.preferred_blas_library,
        torch.backends.cuda.preferred_blas_library,
    ),
    Setting(
        "attention fast path",
        torch.backends.mha.get_fastpath_enabled,
        torch.backends.mha.set_fastpath_enabled,
    ),
    Setting(
        "sparse tensor checks",
        torch.sparse.check_sparse_tensor_invariants.is_enabled,
        torch._C._set_check_sparse_tensor_invariants,
    ),
    Setting(
        "torch.__future__: overwriting of parameters on conversion",
        torch.__future__.get_overwrite_module_params_on_conversion,
        torch.__future__.set_overwrite_module_params_on_conversion,
    ),
    Setting(
        "torch.__future__: swapping of parameters on conversion",
        torch.__future__.get_swap_module_params_on_conversion,
        torch.__future__.set_swap_module_params_on_conversion,
    ),
    Setting("global hooks of modules and optimizers", _hooks, _put_hooks),
    Setting("torch's repeated warnings", torch.is_warn_always_enabled, torch.set_warn_always),
    Setting("CUDA's device", _cuda_device, lambda device: torch.cuda.set_device(device)),
    Setting("CUDA's stream", _cuda_stream, _put_cuda_stream),
    Setting("CUDA graph capture", lambda: _has_cuda() and torch.cuda.is_current_stream_capturing()),
    Setting(
        "CUDA synchronisation warnings",
        lambda: torch.cuda.get_sync_debug_mode() if _has_cuda() else 0,
        lambda mode: torch.cuda.set_sync_debug_mode(mode),
    ),
    Setting(
        "CUDA tunable operations",
        lambda: _has_cuda() and torch.cuda.tunable.is_enabled(),
        lambda value: torch.cuda.tunable.enable(value),
    ),
    Setting(
        "torch's tensor sharing strategy",
        torch.multiprocessing.get_sharing_strategy,
        torch.multiprocessing.set_sharing_strategy,
    ),
    # Processors keep these two per thread: threads of a pool started meanwhile would keep the changed ones.
    Setting("flushing of denormals", lambda: SMALLEST_NORMAL / 2 == 0),
    Setting("rounding", lambda: (1.0 + HALF_OF_EPSILON, 1.0 - HALF_OF_EPSILON / 2)),
]
