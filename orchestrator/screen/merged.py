"""Prints the result of merging stores."""

from __future__ import annotations

from rich.console import Console

from results.store.merging import Merged
from results.wording import counted


def print_merged(merged: Merged, target: str, console: Console) -> None:
    """Prints a line for each conflict, then the counts."""
    for conflict in merged.conflicts:
        trial = f"{conflict.dataset} / {conflict.model} / {conflict.loss} / seed {conflict.seed}"
        console.print(
            f"conflict: {trial}, {conflict.key}, has different numbers in:",
            style="warning",
            highlight=False,
            soft_wrap=True,
        )
        for origin in conflict.origins:
            made = ", ".join(filter(None, (origin.host, origin.processor, f"commit {origin.commit[:12]}")))
            console.print(f"  {origin.store}: made on {made}", highlight=False, soft_wrap=True)
    for name in merged.unreadable:
        console.print(f"not copied, damaged: {name}", style="warning", highlight=False, soft_wrap=True)
    stopped = f" and curves of {counted(merged.stopped, 'stopped trial')}" if merged.stopped else ""
    console.print(
        f"{counted(merged.copied, 'evaluation')}{stopped} copied to {target}, "
        f"{merged.present} already there, {counted(len(merged.conflicts), 'conflict')}.",
        highlight=False,
        soft_wrap=True,
    )
    if merged.conflicts:
        console.print(
            "Delete the wrong row from one of the stores, or keep the stores apart.", highlight=False
        )
