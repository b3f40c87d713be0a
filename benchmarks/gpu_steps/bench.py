"""The interface of a step, and the process that runs steps."""

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
    """A measurement is impossible here. The message says why."""


@dataclass
class Bench:
    """The resources of a step, and the channel for its results.

    Attributes:
        device: 'cuda' or 'cpu'.
        tiny: Whether to run everything at a size too small to measure speed.
        deadline: By `time.monotonic`.
        rates: Measured by the step 'card'; None if that failed.
        pictures: The folder made by benchmarks/pictures.py.
        send: Takes a message: a kind, a name and a result.
        failed: Whether a measurement failed, which may leave a card in any state.
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
        """Sends the result of `measuring`, or why there is none. Raises none of its errors.

        Args:
            needs: Approximate seconds that it takes. It is skipped if fewer are left.
            kind: Kind of the message: 'speed' for results that `plan` may use, else 'found'.
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
            self.send(("failed", name, as_data(error)))
            return None
        self.send((kind, name, found))
        return found


def as_data(error: BaseException) -> dict[str, Any]:
    """An error as plain data."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return {"error": f"{type(error).__name__}: {error}", "traceback": lines[-TRACEBACK_LINES:]}


def serve(connection: Connection, device: str, tiny: bool, pictures: Path | None, errors: Path) -> None:
    """Runs the requested steps until the other end hangs up, which may kill this process at any time.

    Args:
        errors: File for the standard error of this process and its descendants.
    """
    # Own session, so that it can be killed with its descendants.
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
            connection.send(("broken", "", as_data(error)))
            return
        clear(device)
        connection.send(("end", "", bench.failed))


def clear(device: str) -> None:
    """Frees unused memory."""
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def after(batches: int) -> Callable[[], bool]:
    """A pause function for `TrialRun` that is true after a number of batches."""
    count = 0

    def pause() -> bool:
        nonlocal count
        count += 1
        return count >= batches

    return pause
