"""Texts from outside: what may be a name, and how anything else comes to be seen."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LONGEST_NAME = 200
"""Of what sweeps and components are called by, in letters. Files are called by it, with an ending: a file
system takes 255 bytes.
"""

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what a terminal, a browser or an editor acts on instead of showing it: control and
direction characters, characters without a width, half characters, separators of lines.
"""


def why_no_name(text: str) -> str | None:
    """What is wrong with a text as the name of a sweep or a component; None if nothing is."""
    if len(text) > LONGEST_NAME:
        return f"may have {LONGEST_NAME} letters, not {len(text)}."
    if not NAME.fullmatch(text):
        return f"may have only letters, digits, '_', '-' and '.', not {text!r}."
    return None


def visible(text: str, kept: str = "") -> str:
    r"""A text with each character that would act and not be seen written out: '\x1b', '\u202e', '\n'.

    Args:
        kept: Characters that stay, as the line ends of a text of several lines.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in kept and unicodedata.category(character) in UNSEEN
        else character
        for character in text
    )


def closest(wrong: str, known: Iterable[str]) -> str:
    """' Did you mean x?' for the nearest known name, or what there is if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There is: {', '.join(names) or 'none'}."
