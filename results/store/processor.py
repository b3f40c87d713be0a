"""What the processor of this machine is and can."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""How x86 (the first two) and ARM call instructions that multiply bfloat16. Without them torch converts."""


def name() -> str:
    """As it calls itself; '' where it does not."""
    told = _told("model name")
    return platform.processor() if told is None else told


def has_bfloat16() -> bool | None:
    """None where it cannot be told."""
    flags = _told("flags", "Features")
    return bool(BFLOAT16 & set(flags.split())) if flags else None


def _told(*keys: str) -> str | None:
    """What Linux tells of its first core under any of these keys; None where it is not Linux, '' without."""
    try:
        text = CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"^(?:{'|'.join(keys)})[ \t]*:(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
