"""A trial leaves nothing behind in its process: what is global is compared before and after, and put back.

    state = ProcessState()
    state.begin(modules)    # before a trial
    left = state.end()      # after it

What cannot be put back (threads that run on, an inference mode that nobody leaves) is told: the process must
then be replaced. What runs only code of installed libraries counts as a service of the process and stays: the
thread of a progress bar, compilers that wait for work.
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

from trainables.process_state.functions import Functions
from trainables.process_state.of_python import PYTHON
from trainables.process_state.of_torch import TORCH
from trainables.process_state.setting import Setting, is_library
from trainables.training import seeds

SETTINGS = [*TORCH, *PYTHON]

ROUNDS = 4
"""How often what differs is written, since some settings are one thing by several names."""

GRACE_SECONDS = 0.2
"""How long threads and child processes have to end, that were about to."""


@dataclass(frozen=True)
class Left:
    """What a trial left behind.

    Attributes:
        put_back: Names of what was changed and is again as before, generators aside.
        lasting: What could not be put back, in words. The process must not be used again.
    """

    put_back: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """In place of the value of a setting that cannot be read: a folder that is gone, two names at odds."""

    error: str


@dataclass
class ProcessState:
    """What is global in this process, as it was before a trial. All calls come from one thread.

    Attributes:
        imported: By module: the settings that importing it changed, with their values before and after. A
            module is imported once, so this is repeated for each further trial that uses it.
    """

    functions: Functions = field(default_factory=Functions)
    imported: dict[str, list[tuple[Setting, Any, Any]]] = field(default_factory=dict)

    def begin(self, modules: Iterable[str] = ()) -> None:
        """Takes down how things are, and imports what a trial is made of.

        Args:
            modules: Of its components. One that cannot be imported is passed over: it fails where it is used.
        """
        self.values = _values()
        self.generators = None
        with contextlib.suppress(Exception):
            # A GPU may be full, which is then told where the trial needs it.
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
        """Puts back what differs from how it was at `begin`."""
        lasting = changed = _differing(self.values, range(len(SETTINGS)))
        # What is put back in torch may change other settings of torch's.
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
        told = [SETTINGS[index].name for index in lasting]
        try:
            if self.generators is not None:
                seeds.restore_generators(self.generators)
        except Exception:
            told.append("generators")
        told += _still_there(self.threads, _threads, _own_thread, "thread")
        told += _still_there(self.children, _children, _own_child, "child process")
        return Left(tuple(put_back), tuple(told))


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
            # Of environment variables some are another's business.
            after = now | {name: value for name, value in after.items() if before.get(name) != value}
        elif now != before:
            return
        if setting.write:
            setting.write(after)


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _own_thread(thread: threading.Thread) -> str | None:
    """Name of a thread that runs other code than libraries', as far as can be seen."""
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
        # Asked first, since it is the usual case and costs nothing.
        return set()
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def _own_child(child: int) -> str | None:
    """Command line of a process that is none of a library's programs; None also for one that has ended."""
    try:
        arguments = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    if not any(arguments) or any(map(is_library, arguments)):
        return None
    return " ".join(arguments).strip()


def _still_there(
    before: set[Any], now: Callable[[], set[Any]], own: Callable[[Any], str | None], kind: str
) -> list[str]:
    """What was started meanwhile and runs on, by name."""
    end = time.monotonic() + GRACE_SECONDS
    while names := [name for one in now() - before if (name := own(one)) is not None]:
        if time.monotonic() > end:
            return [f"{kind} {name}" for name in sorted(names)]
        time.sleep(0.01)
    return []
