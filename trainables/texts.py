"""External texts: validates names, and makes other texts visible."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME = 200
"""Most letters in the name of a sweep or component. Files are named after it, with an ending: a file system
allows 255 bytes.
"""

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that a terminal, browser or editor acts on instead of showing them:
control and direction characters, characters without width, surrogates, line separators.
"""


def why_no_name(text: str) -> str | None:
    """Why a text cannot name a sweep or a component; None if it can."""
    if len(text) > LONGEST_NAME:
        return f"may have {LONGEST_NAME} letters, not {len(text)}."
    if not NAME.fullmatch(text):
        return f"may have only letters, digits, '_', '-' and '.', not {text!r}."
    return None


def visible(text: str, kept: str = "") -> str:
    r"""Escapes characters that would act instead of being shown: '\x1b', '\u202e', '\n'.

    Args:
        kept: Characters to keep, such as the line ends of a text of several lines.
    """
    acting = {
        ord(character): character.encode("unicode_escape").decode()
        for character in ("" if text.isprintable() else set(text))
        if character not in kept and unicodedata.category(character) in UNSEEN
    }
    return text.translate(acting) if acting else text


def nearest(wrong: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name; '' if none is near."""
    near = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def closest(wrong: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name, or a list of all if none is near."""
    names = sorted(known)
    return nearest(wrong, names) or f" Available: {', '.join(names) or 'none'}."
