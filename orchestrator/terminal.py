"""Where commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.terminal import Terminal


def console() -> Terminal:
    """Standard output. What it takes to print on it is loaded by commands that do."""
    from results.terminal import Terminal

    return Terminal()
