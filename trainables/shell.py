"""Quotes words for a shell."""

from __future__ import annotations

import os
import shlex
import sys


def quoted(*words: str) -> str:
    """A line that a shell splits into these words again, even when copied from a terminal.

    Characters that a terminal might not show as they are (line ends, direction marks, missing glyphs) are
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
    # Encode undecodable bytes as the system passed them. Octal, which ends after three digits.
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))


def _shown(text: str) -> bool:
    """Whether a terminal shows this text unchanged."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.isprintable() and (text.isascii() or encoding.lower().startswith("utf"))
