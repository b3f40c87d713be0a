"""What this machine's CPU can do, told without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from orchestrator.wording import counted
from sweeps.expand import Sweep
from trainables.trial import Trial

CPUINFO = Path("/proc/cpuinfo")

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""How x86 (the first two) and ARM call instructions that multiply bfloat16. Without them torch converts."""


def slow_bfloat16(sweep: Sweep, trials: Iterable[Trial]) -> str | None:
    """A line where trials are to run in bfloat16 on a CPU, and this machine's has no instructions for it."""
    on_cpu = [t for t in trials if t.training.precision == "bfloat16" and not sweep.gpus[t.key]]
    if not on_cpu or has_bfloat16() is not False:
        return None
    return (
        f"{counted(len(on_cpu), 'trial')} in bfloat16 on a CPU, and this machine's has no instructions "
        "for it: some ten times slower than float32. Set training.precision=float32, or run.gpus_per_trial."
    )


def has_bfloat16() -> bool | None:
    """None where it cannot be told."""
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", CPUINFO.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return bool(BFLOAT16 & set(found[1].split())) if found else None
