"""What this machine's CPU can do, told without torch."""

from __future__ import annotations

from collections.abc import Iterable

from results.store.processor import has_bfloat16
from results.wording import counted
from sweeps.expand import Sweep
from trainables.trial import Trial


def slow_bfloat16(sweep: Sweep, trials: Iterable[Trial]) -> str | None:
    """A line where trials are to run in bfloat16 on a CPU, and this machine's has no instructions for it."""
    on_cpu = [t for t in trials if t.training.precision == "bfloat16" and not sweep.gpus[t.key]]
    if not on_cpu or has_bfloat16() is not False:
        return None
    return (
        f"{counted(len(on_cpu), 'trial')} in bfloat16 on a CPU, and this machine's has no instructions "
        "for it: some ten times slower than float32. Set training.precision=float32, or run.gpus_per_trial."
    )
