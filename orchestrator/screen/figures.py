"""Prints which figures were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.screen.terminal import console, warn

if TYPE_CHECKING:
    from orchestrator.use_cases.figures import Drawn


def print_drawn(drawn: Drawn) -> None:
    """Prints one file per line to standard output, and omitted figures to standard error."""
    screen = console()
    for each in drawn.files:
        screen.print(str(each.file), highlight=False, soft_wrap=True, markup=False)
    for name, reason in drawn.omitted.items():
        warn(f"{name} is not drawn: {reason}")
