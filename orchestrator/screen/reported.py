"""Prints which report was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.screen.tables import warn_of_damaged
from orchestrator.screen.terminal import console
from results.wording import counted, size

if TYPE_CHECKING:
    from orchestrator.use_cases.report import Reported


def print_reported(made: Reported) -> None:
    warn_of_damaged(made.damaged)
    failed = f", {made.failed} failed" if made.failed else ""
    line = f"{made.file}: {counted(made.trials, 'trial')}{failed}, {size(made.size)}. Open it in a browser."
    console().print(line, highlight=False, soft_wrap=True, markup=False)
