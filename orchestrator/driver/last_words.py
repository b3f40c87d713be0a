"""What a worker process leaves on its stderr for whoever asks why it ended.

Ray keeps the stderr of each worker in a file of its node, and has faulthandler write there the signal that a
process dies of. What is added here: which trial it was at, and an exit that no exception tells of.
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
"""Of what was written last: a stack of Python's, and some lines before it."""

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
"""Signals as faulthandler calls them."""


@dataclass(frozen=True)
class LastWords:
    """Why a process ended, as far as it could say.

    Attributes:
        signal: The name of the signal that it died of; None where it left no word of one.
        exit_code: With which `os._exit` was called; None where it was not.
        told_to_end: Whether it ended because its machine told it to.
        limit: What it stood at when its time was over, as `told_limit` wrote it; None where it was not.
        lines: What it wrote last, with the source of each line of a stack.
    """

    signal: str | None
    exit_code: int | None
    told_to_end: bool
    limit: str | None
    lines: str


def tell_trial(key: str) -> None:
    """What follows on stderr is of this trial."""
    _write(f"{MARK}trial {key}")


def tell_limit(limit: str) -> None:
    """Should the time be over next, it is this limit that was reached."""
    _write(f"{MARK}limit {limit}")


def tell_told_to_end() -> None:
    """It is by no fault of its trial that this process ends next."""
    _write(f"{MARK}told to end")


def tell_exits() -> None:
    """Has `os._exit` of this process write down its code, and from where it was called.

    No exception passes there, no `atexit` runs, and a process's code is told to its parent alone, which is
    Ray's and does not tell it.
    """
    leave, process = os._exit, os.getpid()

    def told(status: int) -> None:
        # Children that were forked from it leave in this way as a matter of course.
        if os.getpid() == process:
            faulthandler.dump_traceback(STDERR, all_threads=False)
            _write(f"{MARK}exit {status}")
        leave(status)

    os._exit = told  # type: ignore[assignment]


def read(stderr: str) -> LastWords:
    """What there is to learn from what a process has written, of its last trial alone."""
    _, marked, own = stderr.rpartition(f"{MARK}trial ")
    own = own.partition("\n")[2] if marked else stderr
    exits = re.findall(rf"^{MARK}exit (\d+)$", own, re.MULTILINE)
    limits = re.findall(rf"^{MARK}limit (.+)$", own, re.MULTILINE)
    over = re.search(r"^Timeout \([0-9:.]+\)!$", own, re.MULTILINE)
    number = LINES
    if over:
        # The stacks of all threads, the main one last.
        own, number = own[over.start() :], LINES_OF_ALL_THREADS
    lines = [line for line in own.splitlines() if not _is_noise(line)]
    return LastWords(
        signal=_signal(own),
        exit_code=int(exits[-1]) if exits else None,
        told_to_end=bool(re.search(rf"^{MARK}told to end$", own, re.MULTILINE)),
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
    # Ray's C++ library says all of its own once more, and names who is at work in lines of this form.
    return bool(re.match(r":[a-z_]+:|\[.*\blogging\.cc:\d+\]?:|Extension modules:", line)) or not line.strip()


def _with_sources(lines: list[str]) -> list[str]:
    """The lines, each of a stack followed by what stands there in its file, as a traceback has it."""
    told = []
    for line in lines:
        told.append(line[:LONGEST_LINE])
        place = re.fullmatch(r'  File "(.+)", line (\d+) in .+', line)
        source = linecache.getline(place[1], int(place[2])).strip() if place else ""
        if source:
            told.append(f"    {source[:LONGEST_LINE]}")
    return told


def _write(line: str) -> None:
    os.write(STDERR, f"{line}\n".encode())
