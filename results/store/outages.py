"""Retries requests while an object store is unreachable, and reports the outage."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from results.store.faults import Fault, fault_of
from results.wording import clock

Answer = TypeVar("Answer")

FIRST_SECONDS = 5.0
"""How long to try before the first answer. Short, so that a misspelt host is reported soon."""

COMMAND_SECONDS = 60.0
"""How long a command waits for a store that has answered before."""

RUN_SECONDS = 600.0
"""How long a run waits. It must end at some point, since it cannot keep its results."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0

BRIEF_SECONDS = 5.0
"""How long to try work that can wait."""

REPORT_AFTER_SECONDS, REPORT_EVERY_SECONDS = 3.0, 60.0


class RequestError(OSError):
    """A request failed for good. The text gives the cause and the remedy."""

    def __init__(self, fault: Fault, more: str = ""):
        super().__init__(fault.reason + more)
        self.fault = fault


class Outages:
    """Retries requests to one object store until they succeed. Safe to use from any thread."""

    def __init__(self) -> None:
        self._report: Callable[[str], None] = logging.getLogger("calibsweep").warning
        self._run_seconds: float | None = None
        self._answered = False
        self._lock = threading.Lock()
        self._began: dict[int, float] = {}
        """Start of each request that is being retried, by thread."""
        self._reported_seconds = 0.0
        self._brief = threading.local()

    @contextlib.contextmanager
    def briefly(self) -> Iterator[None]:
        """Inside this context, requests of this thread give up soon."""
        before = getattr(self._brief, "seconds", None)
        self._brief.seconds = BRIEF_SECONDS
        try:
            yield
        finally:
            self._brief.seconds = before

    def wait_out(self, report: Callable[[str], None] | None, seconds: float | None) -> None:
        """Makes requests wait for `seconds`, at most RUN_SECONDS, and report outages. For a run."""
        self._run_seconds = RUN_SECONDS if seconds is None else min(seconds, RUN_SECONDS)
        self._report = report or self._report

    def request(self, ask: Callable[[bool], Answer]) -> Answer:
        """Calls `ask` until it succeeds or fails for good, and returns its answer.

        Args:
            ask: Gets True if an earlier attempt may have succeeded without its answer arriving.

        Raises:
            FileNotFoundError: The object does not exist.
            RequestError: Every attempt failed.
        """
        began = time.monotonic()
        pause = FIRST_PAUSE_SECONDS
        again = done = False
        try:
            while True:
                try:
                    answer = _interruptibly(ask, again)
                except Exception as error:
                    fault = fault_of(error)
                    self._answered |= fault.answered
                    waited = time.monotonic() - began
                    if fault.no_object:
                        raise FileNotFoundError(fault.reason) from error
                    if not fault.passes:
                        raise RequestError(fault) from error
                    if waited + pause > self._limit_seconds():
                        hint = "" if self._answered else fault.hint
                        raise RequestError(fault, f"{hint} (tried for {clock(waited)})") from error
                else:
                    done = self._answered = True
                    return answer
                again = True
                self._unreachable(began)
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            if again:
                self._ended(done)

    def _limit_seconds(self) -> float:
        brief: float | None = getattr(self._brief, "seconds", None)
        if brief is not None:
            return brief
        if self._run_seconds is not None:
            return self._run_seconds
        return COMMAND_SECONDS if self._answered else FIRST_SECONDS

    def _unreachable(self, began: float) -> None:
        with self._lock:
            self._began[threading.get_ident()] = began
            seconds = time.monotonic() - min(self._began.values())
            last = self._reported_seconds
            report = seconds >= (last + REPORT_EVERY_SECONDS if last else REPORT_AFTER_SECONDS)
            if report:
                self._reported_seconds = seconds
        if report:
            self._report(f"store unreachable for {clock(seconds)}, retrying")

    def _ended(self, done: bool) -> None:
        with self._lock:
            self._began.pop(threading.get_ident(), None)
            over = self._reported_seconds > 0 and not self._began
            if over:
                self._reported_seconds = 0.0
        if over and done:
            self._report("store reachable again")


def _interruptibly(ask: Callable[[bool], Answer], again: bool) -> Answer:
    """Calls `ask`. On the main thread a signal interrupts the wait, however late the answer."""
    if threading.current_thread() is not threading.main_thread():
        return ask(again)
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask(again))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="request", daemon=True).start()
    return future.result()
