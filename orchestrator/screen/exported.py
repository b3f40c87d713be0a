"""Prints the files of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.screen.terminal import console, warn
from results.wording import counted
from trainables.shell import quoted

if TYPE_CHECKING:
    from orchestrator.use_cases.export import Exported


def print_exported(exported: Exported) -> None:
    """Prints each benchmark's files, and the command of CalArena that reads them."""
    screen = console()
    for each in exported.benchmarks:
        lines = f"{each.data}: {counted(each.experiments, 'trial')}", f"{each.index}: their index"
        # CalArena's tool runs in its own folder.
        folder = str(each.data.parent.absolute())
        run = quoted("python", "run_benchmark.py", "--benchmark", each.name, "--benchmarks_dir", folder)
        for line in (*lines, f"  {run}"):
            screen.print(line, highlight=False, soft_wrap=True, markup=False)
    if exported.missing:
        warn(
            f"{counted(exported.missing, 'trial')} of the sweep not exported: unfinished, or of another task."
        )
