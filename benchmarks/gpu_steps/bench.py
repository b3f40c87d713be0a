"""What a step is given, and the process that steps run in."""

from __future__ import annotations

import gc
import importlib
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TRACEBACK_LINES = 12
TINY_MODEL = "small_cnn"

Found = Mapping[str, Any]


class NotRun(Exception):
    """What cannot be measured here. Its text says why."""


@dataclass
class Bench:
    """What a step may use, and where it tells what it finds.

    Attributes:
        device: 'cuda' or 'cpu'.
        tiny: Whether to go through everything at a size that says nothing about speed.
        deadline: On the clock of `time.monotonic`.
        rates: As the step 'card' found them, None where it did not.
        pictures: The folder that benchmarks/pictures.py made.
        send: Takes a message: a kind, a name and what was found.
        failed: Whether a measurement failed, after which a card may be left in any state.
    """

    device: str
    tiny: bool
    deadline: float
    rates: dict[str, float] | None
    pictures: Path | None
    send: Callable[[tuple[str, str, Any]], None]
    failed: bool = field(default=False, init=False)

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def measure(
        self, name: str, measuring: Callable[[], Found], needs: float = 0.0, kind: str = "found"
    ) -> Found | None:
        """Tells what `measuring` finds, or why it found nothing; never raises an error of it.

        Args:
            needs: Seconds that it takes, about: it is not begun where there are fewer.
            kind: Of the message: 'speed' for what `plan` may use, else 'found'.
        """
        if not self.tiny and self.left() < needs:
            self.send(
                ("not run", name, f"needs about {needs:g} s, and {max(0.0, self.left()):.0f} s are left")
            )
            return None
        try:
            found = measuring()
        except NotRun as reason:
            self.send(("not run", name, str(reason)))
            return None
        except Exception as error:
            self.failed = True
            self.send(("failed", name, told(error)))
            return None
        self.send((kind, name, found))
        return found


def told(error: BaseException) -> dict[str, Any]:
    """An error as plain data."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {"error": f"{type(error).__name__}: {error}", "traceback": lines[-TRACEBACK_LINES:]}


def serve(connection: Connection, device: str, tiny: bool, pictures: Path | None, errors: Path) -> None:
    """Runs the steps that the other end asks for, until it hangs up. The other end can end it at any time.

    Args:
        errors: Takes what this process and those below it write to their standard error.
    """
    # Of its own, so that it can be ended with all processes below it.
    os.setsid()
    with errors.open("wb") as file:
        os.dup2(file.fileno(), 2)
    connection.send(("ready", "", None))
    while True:
        try:
            target, arguments, deadline, rates = connection.recv()
        except EOFError:
            return
        bench = Bench(device, tiny, deadline, rates, pictures, connection.send)
        try:
            module, _, function = target.partition(":")
            getattr(importlib.import_module(module), function)(bench, *arguments)
        except Exception as error:
            connection.send(("broken", "", told(error)))
            return
        clear(device)
        connection.send(("end", "", bench.failed))


def clear(device: str) -> None:
    """Gives memory back that nobody uses any more."""
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def after(batches: int) -> Callable[[], bool]:
    """A pause for `TrialRun` once so many batches are trained."""
    count = 0

    def pause() -> bool:
        nonlocal count
        count += 1
        return count >= batches

    return pause
