"""Ends commands on signals, and `run` even if its Ray or its terminal fails."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from orchestrator.driver.errors import StartError
from orchestrator.driver.stop_request import StopRequest, ended_by
from orchestrator.screen.terminal import can_redraw

LOOK_SECONDS = 0.2

INTERRUPTED = "interrupted"
GO_ON = "run the same command again to resume."


class Interrupted(BaseException):
    """A signal asked the command to end. Not KeyboardInterrupt, which click turns into an Abort."""

    def __str__(self) -> str:
        return f"{INTERRUPTED}; {GO_ON}"


def leave_at_signals() -> None:
    """Makes signals end this process at once, with one line: there is nothing to clean up yet."""
    _handle(lambda number, frame: _tell_and_leave(INTERRUPTED))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within this context, a signal raises `Interrupted`, unless something else handles it.

    Raises:
        Interrupted: At any moment.
    """

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise Interrupted

    before = _handle(interrupt)
    try:
        yield
    finally:
        _restore(before)


def _handle(handler: Callable[[int, FrameType | None], Any]) -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, handler) for number in ended_by()}


def carry_out(work: Callable[[StopRequest], int]) -> int:
    """Runs `work` in its own thread. Returns its exit code, and raises its exceptions.

    The calling thread waits only for signals and the end of Ray, so neither an import nor an unresponsive Ray
    can block the process. It ends with code 1 and one line if asked while no trial runs, if asked again, or
    if Ray is gone.
    """
    ended: list[Any] = []

    def attempt() -> None:
        try:
            ended.append((work(request), None))
        except BaseException as error:
            ended.append((0, error))

    before = {number: signal.getsignal(number) for number in ended_by()}
    sys.stdout, sys.stderr = LastingStream(sys.stdout), LastingStream(sys.stderr)
    try:
        with StopRequest().heard() as request:
            thread = threading.Thread(target=attempt, name="sweep", daemon=True)
            thread.start()
            while thread.is_alive():
                thread.join(LOOK_SECONDS)
                # For threads that already exist, since Ray's core aborts on SIGTERM.
                _handle(lambda number, frame: request.note(number))
                if request.at_once:
                    _leave(INTERRUPTED, request)
                ray = request.ray
                try:
                    loss = ray.gone(request.requested_at is not None) if ray else None
                except StartError as never:
                    _leave(str(never), request, code=2)
                if ray and loss:
                    # From here on no trial is handed out, and no death reported.
                    request.requested_at = request.requested_at or time.monotonic()
                    ray.release()
                    _leave(loss, request)
            ((code, error),) = ended
            if error is not None:
                raise error
            return int(code)
    finally:
        sys.stdout, sys.stderr = sys.stdout.stream, sys.stderr.stream
        _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


def _leave(why: str, request: StopRequest, code: int = 1) -> NoReturn:
    """Ends this process, even if other threads are blocked."""
    for undo in request.undo:
        with contextlib.suppress(Exception):
            undo()
    if can_redraw(sys.stdout):
        # Show the cursor, which the live view hides.
        _write(1, "\x1b[?25h\n")
    _tell_and_leave(why, code)


def _tell_and_leave(why: str, code: int = 1) -> NoReturn:
    line = f"{why}; {GO_ON}" if code == 1 else why
    _write(2, f"calibsweep: {line}\n")
    os._exit(code)


def _write(descriptor: int, text: str) -> None:
    # Avoid the streams, whose locks a blocked thread may hold.
    with contextlib.suppress(OSError):
        os.write(descriptor, text.encode())


class LastingStream(io.TextIOBase):
    """Standard output or error of a command that continues without a reader.

    A terminal that was closed, or a `tee` that the same signal has ended, makes each write fail.
    """

    def __init__(self, stream: Any):
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            self.stream.write(text)
        except OSError:
            self._lose()
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        """Discards all output from now on, buffered output included."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
        self.stream.flush()

    def fileno(self) -> int:
        return int(self.stream.fileno())

    def isatty(self) -> bool:
        return bool(self.stream.isatty())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self.stream.encoding)

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return str(self.stream.errors)
