"""Prints the result of `calibsweep store rescore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from results.wording import counted

if TYPE_CHECKING:
    from orchestrator.use_cases.rescore import Rescored


def print_rescored(rescored: Rescored, console: Console) -> None:
    """Prints a line per trial that could not be scored, and a summary."""
    for key, why in rescored.failed.items():
        console.print(f"{key}: {why}", style="bad", highlight=False, soft_wrap=True)
    undefined = f", {rescored.undefined:,} of them without a value (n/a)" if rescored.undefined else ""
    console.print(
        f"{counted(rescored.scores, 'score')} computed{undefined}, in {rescored.folder}; "
        f"{rescored.complete:,} of {counted(rescored.trials, 'trial')} had them all, "
        f"{len(rescored.failed)} could not be scored.",
        highlight=False,
        soft_wrap=True,
    )
    if rescored.without_class_counts:
        console.print(
            f"{counted(rescored.without_class_counts, 'trial')} of an earlier version without class counts: "
            "scores that need them have no value. Train in a new store to have them.",
            highlight=False,
            soft_wrap=True,
        )
    if rescored.outdated:
        line = f"Outdated scores, of other code: {counted(rescored.outdated, 'folder')} deleted."
        console.print(line, highlight=False)
