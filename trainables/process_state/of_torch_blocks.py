"""State that torch keeps inside a block (hooks, levels, caches, keys), and operators registered by others.

A block that a trial entered and never left, by an error or on purpose, would affect the next trial.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import serialization
from torch.autograd import forward_ad
from torch.nn.utils import parametrize
from torch.utils._config_module import _UNSET_SENTINEL, ConfigModule

from trainables.process_state.setting import Setting, is_library

_autograd, _functorch = torch._C._autograd, torch._C._functorch

KNOWN_IMPLEMENTATIONS = frozenset(torch.library._impls)
REGISTERED = re.compile(r"registered at (.+):\d+ ::")
COMPILED = (".cpp", ".h", ".cu")


def _top_hooks() -> Any:
    # Those below are visible only after removing this one.
    return _autograd._top_saved_tensors_default_hooks(True)


def _leave_hooks(top: Any) -> None:
    while (now := _top_hooks()) is not None and now != top:
        _autograd._pop_saved_tensors_default_hooks()


def _forbid_hooks(why: str | None) -> None:
    if why is None:
        _autograd._saved_tensors_hooks_enable()
    else:
        _autograd._saved_tensors_hooks_disable(why)


def _leave_forward_levels(level: int) -> None:
    while forward_ad._current_level > level:
        forward_ad.exit_dual_level()  # type: ignore[no-untyped-call]


def _dispatch_keys() -> tuple[int, int]:
    included, excluded = (
        torch._C._dispatch_tls_local_include_set(),
        torch._C._dispatch_tls_local_exclude_set(),
    )
    return included.raw_repr(), excluded.raw_repr()


def _put_parametrize(value: tuple[int, bool]) -> None:
    parametrize._cache_enabled = value[0]
    # It is keyed by the id of a module, which may be reused: the new module would get stale weights.
    parametrize._cache = {}


def _loading_and_saving() -> dict[str, Any]:
    return dict(vars(serialization._serialization_tls))


def _put_loading_and_saving(value: dict[str, Any]) -> None:
    vars(serialization._serialization_tls).update(value)


def _end_profiler(was_running: bool) -> None:
    if not was_running:
        _autograd._disable_profiler()


def _replaced_operators() -> list[str]:
    """Operators of torch that code outside of libraries has replaced."""
    return [name for name in sorted(torch.library._impls - KNOWN_IMPLEMENTATIONS) if _is_replaced(name)]


def _is_replaced(name: str) -> bool:
    namespace, operator, _ = name.split("/", 2)
    if namespace != "aten":
        return False
    dumped = torch._C._dispatch_dump(f"{namespace}::{operator}")
    return not all(file.endswith(COMPILED) or is_library(file) for file in REGISTERED.findall(dumped))


def _end_process_group(was_started: bool) -> None:
    if not was_started:
        torch.distributed.destroy_process_group()


def _configurations() -> Iterator[tuple[str, ConfigModule]]:
    """Configurations of torch's compiler and similar modules that are loaded."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ConfigModule):
            yield name, module


def _configured() -> dict[tuple[str, str], Any]:
    # A module loaded meanwhile differs only by the values set in it.
    found = {}
    for module_name, module in _configurations():
        for name, entry in module._config.items():
            value = entry.user_override.get()
            if value is not _UNSET_SENTINEL and value != entry.default:
                found[module_name, name] = copy.deepcopy(value)
    return found


def _put_configured(before: dict[tuple[str, str], Any]) -> None:
    now = _configured()
    modules = dict(_configurations())
    for where in before.keys() | now.keys():
        module_name, name = where
        module = modules[module_name]
        default = module._config[name].default
        if now.get(where, default) != before.get(where, default):
            setattr(module, name, copy.deepcopy(before.get(where, default)))


def _stance() -> Any:
    """The stance of torch's compiler; None if it is the default or not loaded."""
    stance = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_stance", None)
    return None if stance is None or stance.stance == "default" else stance


def _put_stance(stance: Any) -> None:
    compiler = sys.modules["torch._dynamo.eval_frame"]
    compiler._set_stance(stance or compiler.DynamoStance())


def _flash_attention() -> str | None:
    module = sys.modules.get("torch.nn.attention")
    return None if module is None else module.current_flash_attention_impl()


def _put_flash_attention(name: str | None) -> None:
    module = sys.modules["torch.nn.attention"]
    if name is None:
        module.restore_flash_attention_impl()
    else:
        module.activate_flash_attention_impl(name)


BLOCKS = [
    Setting("saved-tensor hooks", _top_hooks, _leave_hooks),
    Setting(
        "ban of saved-tensor hooks",
        _autograd._saved_tensors_hooks_get_disabled_error_message,
        _forbid_hooks,
    ),
    Setting("forward-mode AD levels", lambda: forward_ad._current_level, _leave_forward_levels),
    Setting("forward-mode AD", torch._C._is_fwd_grad_enabled, torch._C._set_fwd_grad_enabled),
    Setting(
        "torch.func levels",
        _functorch.get_dynamic_layer_stack_depth,
        _functorch.pop_dynamic_layer_stack_and_undo_to_depth,
    ),
    Setting(
        "nested torch.func functions",
        _functorch.get_single_level_autograd_function_allowed,
        _functorch.set_single_level_autograd_function_allowed,
    ),
    Setting("view replay", torch._C._is_view_replay_enabled, torch._C._set_view_replay_enabled),
    Setting(
        "torch functions of tensor subclasses",
        torch._C._get_torch_function_state,  # type: ignore[attr-defined]
        torch._C._set_torch_function_state,  # type: ignore[attr-defined]
    ),
    Setting("dispatch keys", _dispatch_keys),
    Setting(
        "parametrization cache",
        lambda: (parametrize._cache_enabled, bool(parametrize._cache)),
        _put_parametrize,
    ),
    Setting("tensor loading and saving", _loading_and_saving, _put_loading_and_saving),
    Setting("profiler", _autograd._profiler_enabled, _end_profiler),
    Setting("torch operators", _replaced_operators),
    Setting("process group", torch.distributed.is_initialized, _end_process_group),
    Setting("configuration of torch's compiler", _configured, _put_configured),
    Setting("stance of torch's compiler", _stance, _put_stance),
    Setting("frame evaluation hook", torch._C._dynamo.eval_frame.get_eval_frame_callback),
    Setting("order of attention kernels", torch._C._get_sdp_priority_order, torch._C._set_sdp_priority_order),
    Setting("flash attention implementation", _flash_attention, _put_flash_attention),
    Setting("NNPACK", torch._C._get_nnpack_enabled, torch._C._set_nnpack_enabled),
]
