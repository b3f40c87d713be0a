"""Formats numbers as text."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """'1 trial', '1,200 trials', '2 classes'."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def clock(seconds: float) -> str:
    """1:02:03 or 2:03; hours only if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: float) -> str:
    """'under a minute', '12 min', '3 h 5 min', '11 days 14 h': estimates have no seconds."""
    if seconds < 60:
        return "under a minute"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(round(minutes / 60), 24)
    text = counted(days, "day")
    return f"{text} {rest} h" if rest else text


def work(hours: float, unit: str) -> str:
    """'under a core-minute', '12 core-minutes', '3.5 core-hours', '1,234 GPU-hours'."""
    if 60 * hours < 1:
        return f"under a {unit}-minute"
    if hours < 1:
        return counted(round(60 * hours), f"{unit}-minute")
    return f"{hours:,.1f} {unit}-hours" if hours < 10 else f"{hours:,.0f} {unit}-hours"


def size(number: float) -> str:
    """'512 B', '12 KiB', '3.4 MiB', '1.2 GiB'."""
    units = ["B", "KiB", "MiB", "GiB"]
    while number >= 1000 and len(units) > 1:
        number /= 1024
        del units[0]
    return f"{number:.1f} {units[0]}" if number < 10 and units[0] != "B" else f"{number:,.0f} {units[0]}"
