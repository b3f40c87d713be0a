"""Where commands print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 160


def console() -> Console:
    """Standard output, as it is: a path or a message of an error may look like Rich's markup."""
    from rich.console import Console

    found = Console(markup=False, emoji=False)
    if not found.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        # It has no width of its own: wide enough for every column.
        found.width = PLAIN_WIDTH
    return found
