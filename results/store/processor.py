"""The name and features of this machine's processor."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of instructions that multiply bfloat16: x86 (first two) and ARM. Without them torch converts."""


def name() -> str:
    """Its model; '' if unknown."""
    model = _of_cpuinfo("model name")
    return platform.processor() if model is None else model


def has_bfloat16() -> bool | None:
    """Whether it multiplies bfloat16; None if unknown."""
    flags = _of_cpuinfo("flags", "Features")
    return bool(BFLOAT16 & set(flags.split())) if flags else None


def _of_cpuinfo(*keys: str) -> str | None:
    """The first core's value of the first of these keys; '' without such a key, None outside Linux."""
    try:
        text = CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"^(?:{'|'.join(keys)})[ \t]*:(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
