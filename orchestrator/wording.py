"""How numbers are told."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """'1 trial', '2 trials'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
