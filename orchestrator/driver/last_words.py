"""Writes and reads the traces on a worker's stderr that explain its end.

Ray keeps the stderr of each worker in a file on its node, and lets faulthandler write a fatal signal there.
This module adds the current trial, its time limits, and exits by `os._exit`.
"""

from __future__ import annotations

import faulthandler
import linecache
import os
import re
from dataclasses import dataclass

STDERR = 2

MARK = ":calibsweep:"

LINES = 40
"""Last lines to keep: a Python stack, and some lines before it."""

LINES_OF_ALL_THREADS = 200

LONGEST_LINE = 300

FATAL = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Floating point exception": "SIGFPE",
    "Floating-point exception": "SIGFPE",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
}
"""Signals, by faulthandler's names for them."""


@dataclass(frozen=True)
class LastWords:
    """Traces of how a process ended.

    Attributes:
        signal: Name of the fatal signal; None without a trace of one.
        exit_code: Argument of `os._exit`; None if it was not called.
        terminated: Whether it ended on SIGTERM or with its raylet.
        limit: The exceeded limit, as given to `mark_limit`; None if none was exceeded.
        lines: The last lines of stderr, with the source of each line of a stack.
    """

    signal: str | None
    exit_code: int | None
    terminated: bool
    limit: str | None
    lines: str


def mark_trial(key: str) -> None:
    """Marks the start of a trial's stderr."""
    _write(f"{MARK}trial {key}")


def mark_limit(limit: str) -> None:
    """Marks the limit that applies if the watchdog fires next."""
    _write(f"{MARK}limit {limit}")


def mark_terminated() -> None:
    """Marks an end that is not the trial's fault."""
    _write(f"{MARK}terminated")


def mark_exits() -> None:
    """Makes `os._exit` write its code and its caller to stderr.

    It raises no exception and runs no `atexit`. Only the parent learns the exit code, and Ray does not report
    it.
    """
    leave, process = os._exit, os.getpid()

    def marked_exit(status: int) -> None:
        # Forked children always end with os._exit.
        if os.getpid() == process:
            faulthandler.dump_traceback(STDERR, all_threads=False)
            _write(f"{MARK}exit {status}")
        leave(status)

    os._exit = marked_exit  # type: ignore[assignment]


def read(stderr: str) -> LastWords:
    """Extracts the traces of the last trial from a process's stderr."""
    _, marked, own = stderr.rpartition(f"{MARK}trial ")
    own = own.partition("\n")[2] if marked else stderr
    exits = re.findall(rf"^{MARK}exit (\d+)$", own, re.MULTILINE)
    limits = re.findall(rf"^{MARK}limit (.+)$", own, re.MULTILINE)
    over = re.search(r"^Timeout \([0-9:.]+\)!$", own, re.MULTILINE)
    number = LINES
    if over:
        # Stacks of all threads, the main thread last.
        own, number = own[over.start() :], LINES_OF_ALL_THREADS
    lines = [line for line in own.splitlines() if not _is_noise(line)]
    return LastWords(
        signal=_signal(own),
        exit_code=int(exits[-1]) if exits else None,
        terminated=bool(re.search(rf"^{MARK}terminated$", own, re.MULTILINE)),
        limit=limits[-1] if over and limits else None,
        lines="\n".join(_with_sources(lines[-number:])),
    )


def _signal(text: str) -> str | None:
    received = re.findall(r"^\*\*\* (SIG[A-Z]+) received ", text, re.MULTILINE)
    fatal = re.findall(r"^Fatal Python error: (.+)$", text, re.MULTILINE)
    if received:
        return str(received[-1])
    return FATAL.get(fatal[-1]) if fatal else None


def _is_noise(line: str) -> bool:
    # Ray's C++ library repeats stacks in its own log, and marks jobs and actors with lines like ':job_id:'.
    return bool(re.match(r":[a-z_]+:|\[.*\blogging\.cc:\d+\]?:|Extension modules:", line)) or not line.strip()


def _with_sources(lines: list[str]) -> list[str]:
    """Adds the source below each line of a stack, as a traceback does."""
    found = []
    for line in lines:
        found.append(line[:LONGEST_LINE])
        place = re.fullmatch(r'  File "(.+)", line (\d+) in .+', line)
        source = linecache.getline(place[1], int(place[2])).strip() if place else ""
        if source:
            found.append(f"    {source[:LONGEST_LINE]}")
    return found


def _write(line: str) -> None:
    os.write(STDERR, f"{line}\n".encode())
