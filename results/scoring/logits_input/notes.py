"""What a person is told of a file that was taken: plain values, so that the screen and JSON say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Note:
    """One thing to know of scores.

    Attributes:
        code: Which kind of thing, for programs.
        line: The same in words.
        kind: 'note' says how something was taken, 'warning' that the scores may not mean what they seem to.
    """

    code: str
    line: str
    kind: Literal["note", "warning"] = "note"


def warning(code: str, line: str) -> Note:
    return Note(code, line, "warning")


def shortened(items: list[str], most: int = 12) -> str:
    """'a, b, c', with the number of those that are left out."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
