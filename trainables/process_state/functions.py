"""Functions and classes of torch, NumPy, Python and our packages that a trial has replaced."""

from __future__ import annotations

import builtins
import contextlib
import math
import random
import sys
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from trainables.process_state.setting import is_library

MODULES = (
    *(builtins, math, random, np, np.random, torch, torch.nn.functional, torch.nn.init),
    *(torch.linalg, torch.autograd),
)
WITH_CLASSES = (torch.nn, torch.optim)

ABSENT = object()


class Functions:
    """The functions of those modules and of their classes, as they are now.

    Wrappers that a library puts around another's function stay (torch's compiler does so when it is first
    used).
    """

    def __init__(self) -> None:
        ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "trainables"]
        with_classes = (*WITH_CLASSES, *ours)
        classes = [owner for module in with_classes for owner in _classes(module)]
        self.seen: dict[int, tuple[Any, dict[str, Any]]] = {}
        for owner in (*MODULES, *with_classes, torch.Tensor, *classes):
            self._see(owner)
        self.insides = {
            function: _inside(function)
            for _, names in self.seen.values()
            for value in names.values()
            if isinstance(function := getattr(value, "__func__", value), FunctionType)
        }

    def _see(self, owner: Any) -> None:
        self.seen[id(owner)] = owner, dict(vars(owner))

    def put_back(self) -> list[str]:
        """Restores the functions that were replaced. Returns their names."""
        restored = []
        for owner, before in list(self.seen.values()):
            try:
                if vars(owner) == before:
                    continue
            except Exception:
                # Comparing arrays does not give True or False.
                pass
            for name in _replaced(owner, before):
                with contextlib.suppress(Exception):
                    if name in before:
                        setattr(owner, name, before[name])
                    else:
                        delattr(owner, name)
                restored.append(f"{owner.__name__}.{name}")
            self._see(owner)
        for function, inside in self.insides.items():
            if _inside(function) != inside:
                function.__code__, function.__defaults__, defaults = inside
                function.__kwdefaults__ = defaults and dict(defaults)
                restored.append(f"the code of {function.__qualname__}")
        return restored


def _inside(function: FunctionType) -> tuple[CodeType, tuple[Any, ...] | None, dict[str, Any] | None]:
    """Its code and its default values."""
    defaults = function.__kwdefaults__
    return function.__code__, function.__defaults__, defaults and dict(defaults)


def _classes(module: ModuleType) -> Iterable[type]:
    package = module.__name__.partition(".")[0]
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__.partition(".")[0] == package:
            yield value


def _replaced(owner: Any, before: Mapping[str, Any]) -> list[str]:
    now = vars(owner)
    # A new function in a class may hide an inherited one; new names in a module hide nothing.
    names = before if isinstance(owner, ModuleType) else {**before, **now}
    found = []
    for name in names:
        was, is_ = before.get(name, ABSENT), now.get(name, ABSENT)
        function = is_ if was is ABSENT else was
        if was is not is_ and _is_function(function) and not _is_service(is_):
            found.append(name)
    return found


def _is_function(value: Any) -> bool:
    return callable(value) or isinstance(value, staticmethod | classmethod | property)


def _is_service(value: Any) -> bool:
    """Whether a library made this function as a wrapper."""
    code = getattr(value, "__code__", None)
    return code is not None and "<locals>" in value.__qualname__ and is_library(code.co_filename)
