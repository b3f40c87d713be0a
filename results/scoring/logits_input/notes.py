"""Notes on files, as plain values, so that screen and JSON agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Note:
    """A note on scores.

    Attributes:
        code: Its kind, for programs.
        line: Its text.
        kind: 'note' says how something was taken, 'warning' that the scores may not mean what they seem to.
    """

    code: str
    line: str
    kind: Literal["note", "warning"] = "note"


def warning(code: str, line: str) -> Note:
    return Note(code, line, "warning")


def shortened(items: list[str], most: int = 12) -> str:
    """'a, b, c', with the number of omitted items."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
