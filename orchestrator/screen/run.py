"""Prints the beginning of a run, its warnings, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console

from orchestrator.command_line import copied
from orchestrator.driver.progress import Progress
from orchestrator.screen import warnings
from orchestrator.screen.tables import print_written
from orchestrator.screen.terminal import busy
from orchestrator.use_cases.run import Observer, Opening, Ran
from results.wording import counted
from trainables.trial import Trial


class Shown(Observer):
    """Shows a run on a console.

    Args:
        given: Values of the parameters of `run`, or of the `launch` that submitted it, by name.
    """

    def __init__(self, console: Console, given: Mapping[str, Any]):
        self.console = console
        self.given = given

    def busy(self, doing: str) -> AbstractContextManager[None]:
        return busy(self.console, doing)

    def opened(self, opening: Opening) -> None:
        for line in _mended(opening):
            self.warn(line)
        self.console.print(_opening(opening), highlight=False)
        for line in warnings.slow_bfloat16(opening.slow_in_bfloat16):
            self.warn(line)
        for line in warnings.changed_code(opening.changed_code):
            self.warn(line)
        if opening.to_run:
            # Only the store knows of a driver that is not a job, wherever the trials run.
            where = self.given if "cluster" in self.given else {**self.given, "address": None}
            line = f"Follow it from another terminal: {copied.typed('status', where)}"
            self.console.print(line, style="quiet", soft_wrap=True)

    def warn(self, line: str) -> None:
        self.console.print(line, style="warning", highlight=False, soft_wrap=True)

    def progress(self, trials: list[Trial], done: int, expected: Callable[[Trial], float | None]) -> Progress:
        return Progress(trials, done, self.console, expected)


def print_report(page: str, console: Console) -> None:
    """Prints the full name of a page in a store."""
    where = "download it, and open it" if "://" in page else "open it"
    console.print(f"Report: {page} ({where} in a browser)", highlight=False, soft_wrap=True)


def print_ran(ran: Ran, given: Mapping[str, Any], console: Console) -> None:
    """Prints the tables, the number of remaining trials, and the next commands that are already possible.

    Args:
        given: As for `Shown`.
    """
    if ran.tables:
        print_written(ran.tables, console)
    if ran.report:
        print_report(ran.report, console)
    if ran.left:
        line = f"Interrupted with {counted(ran.left, 'trial')} left. To resume:"
        console.print(line, style="warning")
        copied.show(console, copied.typed("launch" if "cluster" in given else "run", given))
    if ran.failed:
        console.print(f"{counted(ran.failed, 'trial')} failed. To see the causes:", style="warning")
        copied.show(console, copied.typed("plan", given, failures=True))
    if not ran.done:
        return
    console.print("\nNext:", style="bold")
    for line, explanation in (
        (copied.typed("tables", given, format="latex"), "the tables for a paper (also md, html, csv)"),
        (copied.typed("store verify", given), "check every file, and every score against the stored logits"),
        (copied.typed("list", {}, kind="losses"), "all losses; to add one: docs/adding-a-loss.md"),
    ):
        copied.show(console, line, explanation)


def _mended(opening: Opening) -> Iterator[str]:
    for key, paths in opening.damaged.items():
        yield f"damaged, moved to damaged/ and trained again: {', '.join(paths)} (trial {key})"
    for path in opening.damaged_besides:
        yield f"damaged, moved to damaged/: {path}"
    for path, wrong in opening.rescored.items():
        yield f"scored again from its logits: {path} ({wrong})"
    for why in opening.stuck.values():
        yield f"{why} Its trial waits for the next run."


def _opening(opening: Opening) -> str:
    parts = [
        f"{opening.sweep}: {counted(opening.trials, 'trial')}",
        f"{opening.done} done before",
        f"{opening.to_run} to run",
    ]
    if opening.failed:
        parts.append(f"{opening.failed} failed before (--retry-failed runs them again)")
    return f"{', '.join(parts)}. Store: {opening.store}"
