"""Progress bars for slow commands on a terminal that can redraw."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from orchestrator.screen.terminal import can_redraw


@contextlib.contextmanager
def bar(doing: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """Yields a function that takes the number done and the total. The bar vanishes at the end.

    Draws nothing where the terminal cannot redraw.
    """
    with _progress(console, transient=True) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextlib.contextmanager
def bars_by_step(console: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yields a function that takes the name of a step, the number done, and the total or None.

    Prints a line per step where the terminal cannot redraw.
    """
    tasks: dict[str, TaskID] = {}
    with _progress(console) as bars:

        def update(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
                if not can_redraw(console.file):
                    console.print(step, highlight=False)
            bars.update(tasks[step], completed=done, total=total)

        yield update


def _progress(console: Console, transient: bool = False) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=transient, disable=not can_redraw(console.file))
