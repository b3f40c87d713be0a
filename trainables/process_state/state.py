"""Restores the global state of a process after each trial.

    state = ProcessState()
    state.begin(modules)    # before a trial
    left = state.end()      # after it

State that cannot be restored (running threads, an inference mode that was never left) is reported; then the
process must be replaced. Threads and processes that run only code of installed libraries count as services
and stay: the thread of a progress bar, idle compilers.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from trainables.process_state.functions import Functions
from trainables.process_state.of_python import PYTHON
from trainables.process_state.of_torch import TORCH
from trainables.process_state.setting import Setting, is_library
from trainables.training import seeds

SETTINGS = [*TORCH, *PYTHON]

ROUNDS = 4
"""How often differing settings are written, since some are aliases of one another."""

GRACE_SECONDS = 0.2
"""How long to wait for threads and child processes that are about to end."""


@dataclass(frozen=True)
class Left:
    """State that a trial left behind.

    Attributes:
        put_back: Names of restored settings, except generators.
        lasting: State that could not be restored, as text. The process must not be reused.
    """

    put_back: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """Placeholder for the value of an unreadable setting: a deleted folder, contradicting aliases."""

    error: str


@dataclass
class ProcessState:
    """The global state of this process before a trial. Use it from one thread only.

    Attributes:
        imported: By module: the settings changed by its import, with their values before and after. Python
            imports a module once, so these changes are repeated for each further trial that uses it.
    """

    functions: Functions = field(default_factory=Functions)
    imported: dict[str, list[tuple[Setting, Any, Any]]] = field(default_factory=dict)

    def begin(self, modules: Iterable[str] = ()) -> None:
        """Records the state, then imports the components of a trial.

        Args:
            modules: Modules of the components. Import errors are ignored here: they recur when it is used.
        """
        self.values = _values()
        self.generators = None
        with contextlib.suppress(Exception):
            # A GPU may be full; the trial reports that when it needs the GPU.
            self.generators = seeds.generator_states()
        self.threads = _threads()
        self.children = _children()
        for module in modules:
            if module in sys.modules:
                for setting, before, after in self.imported.get(module, ()):
                    _repeat(setting, before, after)
                continue
            before = _values()
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(module)
            changes = zip(SETTINGS, before, _values(), strict=True)
            self.imported[module] = [change for change in changes if change[1] != change[2]]

    def end(self) -> Left:
        """Restores everything that has changed since `begin`."""
        lasting = changed = _differing(self.values, range(len(SETTINGS)))
        # Restoring a setting of torch may change others.
        of_torch = range(len(TORCH)) if changed and changed[0] < len(TORCH) else ()
        to_check = sorted({*changed, *of_torch})
        for _ in range(ROUNDS):
            if not lasting:
                break
            for index in lasting:
                write = SETTINGS[index].write
                if write:
                    with contextlib.suppress(Exception):
                        write(self.values[index])
            lasting = _differing(self.values, to_check)
        put_back = [SETTINGS[index].name for index in changed if index not in lasting]
        put_back += self.functions.put_back()
        remaining = [SETTINGS[index].name for index in lasting]
        try:
            if self.generators is not None:
                seeds.restore_generators(self.generators)
        except Exception:
            remaining.append("generators")
        remaining += _still_running(self.threads, _threads, _own_thread, "thread")
        remaining += _still_running(self.children, _children, _own_child, "child process")
        return Left(tuple(put_back), tuple(remaining))


def _values() -> list[Any]:
    return [_value(setting) for setting in SETTINGS]


def _value(setting: Setting) -> Any:
    try:
        return setting.read()
    except Exception as error:
        return Unreadable(type(error).__name__)


def _differing(before: list[Any], indices: Iterable[int]) -> list[int]:
    return [index for index in indices if _value(SETTINGS[index]) != before[index]]


def _repeat(setting: Setting, before: Any, after: Any) -> None:
    with contextlib.suppress(Exception):
        now = setting.read()
        if isinstance(now, dict):
            # Environment variables may also have changed for other reasons.
            after = now | {name: value for name, value in after.items() if before.get(name) != value}
        elif now != before:
            return
        if setting.write:
            setting.write(after)


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _own_thread(thread: threading.Thread) -> str | None:
    """The name of a thread that visibly runs code from outside of libraries."""
    frame = sys._current_frames().get(thread.ident or 0)
    if frame is None:
        return None
    files = []
    while frame:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    for value in vars(thread).values():
        while isinstance(value, functools.partial):
            value = value.func
        code = getattr(value, "__code__", None)
        if code:
            files.append(code.co_filename)
    return None if all(map(is_library, files)) else thread.name


def _children() -> set[int]:
    """Process ids of this process's children."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        # Checked first: the usual case, at no cost.
        return set()
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def _own_child(child: int) -> str | None:
    """The command line of a process, unless it is a library's program or has ended."""
    try:
        process = psutil.Process(child)
        arguments = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE or any(map(is_library, arguments)):
            return None
        # A process that just starts its program has no command line yet.
        return " ".join(arguments) or process.name()
    except psutil.Error:
        return None


def _still_running(
    before: set[Any], now: Callable[[], set[Any]], own: Callable[[Any], str | None], kind: str
) -> list[str]:
    """Names of threads or processes that were started during the trial and still run."""
    end = time.monotonic() + GRACE_SECONDS
    while names := [name for one in now() - before if (name := own(one)) is not None]:
        if time.monotonic() > end:
            return [f"{kind} {name}" for name in sorted(names)]
        time.sleep(0.01)
    return []
