"""Global settings of Python, NumPy and the process itself. For generators see `seeds.py`."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # as signal, without an enumeration of each number
import decimal
import faulthandler
import gc
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import warnings
from typing import Any

import numpy as np

from trainables.process_state.setting import Setting, attribute, is_library


def _filters() -> list[Any]:
    return list(warnings.filters)


def _put_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():
        # Leaving it signals that the filters have changed.
        pass


def _logging() -> tuple[int, list[logging.Handler], int]:
    return logging.root.level, list(logging.root.handlers), logging.root.manager.disable


def _put_logging(value: tuple[int, list[logging.Handler], int]) -> None:
    logging.root.setLevel(value[0])
    logging.root.handlers[:] = value[1]
    logging.disable(value[2])


def _stream(name: str) -> Setting:
    def read() -> tuple[Any, bool]:
        stream = getattr(sys, name)
        return stream, bool(getattr(stream, "closed", False))

    return Setting(f"sys.{name}", read, lambda value: setattr(sys, name, value[0]))


def _file_behind(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _put_environment(environment: dict[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _umask() -> int:
    # The only way to read it; files created by another thread meanwhile are accessible to their owner only.
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _handlers() -> dict[int, Any]:
    return {number: _signal.getsignal(number) for number in SIGNALS}


def _put_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _timers() -> list[bool]:
    return [signal.getitimer(which)[0] > 0 for which in TIMERS]


def _put_timers(running: list[bool]) -> None:
    for which, was_running in zip(TIMERS, running, strict=True):
        if not was_running:
            signal.setitimer(which, 0)


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in LIMITS]


def _put_limits(limits: list[tuple[int, int]]) -> None:
    for limit, value in zip(LIMITS, limits, strict=True):
        if resource.getrlimit(limit) != value:
            resource.setrlimit(limit, value)


def _start_method(method: str | None) -> None:
    multiprocessing.set_start_method(method, force=True)


def _path() -> list[str]:
    return [folder for folder in sys.path if not is_library(folder)]


SIGNALS = [int(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}]
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
LIMITS = sorted(value for name, value in vars(resource).items() if name.startswith("RLIMIT_"))

PYTHON = [
    Setting("environment variables", lambda: dict(os.environ), _put_environment),
    Setting("working directory", os.getcwd, os.chdir),
    # Not restorable: modules imported from there would stay, under names such as `utils` or `random`.
    Setting("sys.path", _path),
    Setting("umask", _umask, os.umask),
    Setting("warning filters", _filters, _put_filters),
    attribute(warnings, "showwarning", "warnings."),
    Setting("logging", _logging, _put_logging),
    Setting(
        "locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda value: locale.setlocale(locale.LC_ALL, value),
    ),
    Setting(
        "decimal context",
        lambda: decimal.getcontext().__reduce__(),
        lambda value: decimal.setcontext(value[0](*value[1])),
    ),
    Setting("NumPy's error handling", np.geterr, lambda value: np.seterr(**value)),
    Setting("NumPy's error callback", np.geterrcall, np.seterrcall),
    Setting("NumPy's print options", np.get_printoptions, lambda value: np.set_printoptions(**value)),
    *[_stream(name) for name in ("stdin", "stdout", "stderr")],
    *[
        Setting(f"file descriptor {number}", lambda number=number: _file_behind(number))  # type: ignore[misc]
        for number in range(3)
    ],
    *[attribute(sys, name, "sys.") for name in ("excepthook", "unraisablehook", "displayhook")],
    attribute(threading, "excepthook", "threading."),
    Setting("sys.settrace", sys.gettrace, sys.settrace),
    Setting("sys.setprofile", sys.getprofile, sys.setprofile),
    Setting("threading.settrace", threading.gettrace, threading.settrace),
    Setting("threading.setprofile", threading.getprofile, threading.setprofile),
    Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Setting("integer digit limit", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    Setting("garbage collection", gc.isenabled, lambda value: gc.enable() if value else gc.disable()),
    Setting("garbage collection thresholds", gc.get_threshold, lambda value: gc.set_threshold(*value)),
    Setting("signal handlers", _handlers, _put_handlers),
    Setting(
        "blocked signals",
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda value: signal.pthread_sigmask(signal.SIG_SETMASK, value),
    ),
    Setting("timers", _timers, _put_timers),
    Setting(
        "faulthandler",
        faulthandler.is_enabled,
        lambda value: faulthandler.enable() if value else faulthandler.disable(),
    ),
    Setting("resource limits", _limits, _put_limits),
    Setting("CPU affinity", lambda: os.sched_getaffinity(0), lambda value: os.sched_setaffinity(0, value)),
    Setting(
        "process priority",
        lambda: os.getpriority(os.PRIO_PROCESS, 0),
        lambda value: os.setpriority(os.PRIO_PROCESS, 0, value),
    ),
    Setting("default socket timeout", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Setting(
        "multiprocessing start method",
        lambda: multiprocessing.get_start_method(allow_none=True),
        _start_method,
    ),
]
