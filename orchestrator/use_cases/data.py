"""`calibsweep data`: data sets made ready before a cluster needs them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from orchestrator.screen.terminal import can_redraw
from trainables.datasets.prepare import prepare as prepare_dataset


def prepare(name: str, root: Path | None, console: Console) -> None:
    """Downloads, verifies and unpacks a data set, with a bar or a line for each step; run again, it goes on.

    Raises:
        ConfigurationError: An unknown name, with the nearest right one.
        DataError: Files that cannot be had or are damaged, and what to do by hand.
    """
    tasks: dict[str, TaskID] = {}
    redraws = can_redraw(console.file)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not redraws,
    ) as bars:

        def told(task: str, done: int, total: int | None) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total)
                if not redraws:
                    console.print(task, highlight=False)
            bars.update(tasks[task], completed=done, total=total)

        folder = prepare_dataset(name, root, told)
    if folder is None:
        console.print(f"{name} needs no files.", highlight=False)
    else:
        console.print(f"{name} is ready in {folder}.", highlight=False, soft_wrap=True)
