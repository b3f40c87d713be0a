"""Words as a shell takes them."""

from __future__ import annotations

import os
import shlex
import sys


def quoted(*words: str) -> str:
    """A line that a shell splits into these words again; copied from a terminal, too.

    What a terminal might not show as it is, line ends, direction marks or what it has no letter for, is
    written as $'...', which bash and zsh understand.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if _shown(word):
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(letter: str) -> str:
    if letter in "'\\":
        return "\\" + letter
    if _shown(letter):
        return letter
    # Of the bytes that the system was given where they are no text. Octal, which ends after three digits.
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))


def _shown(text: str) -> bool:
    """Whether a terminal shows this as it is."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.isprintable() and (text.isascii() or encoding.lower().startswith("utf"))
