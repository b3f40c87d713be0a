"""Counts trials that would be slow on this machine's CPU."""

from __future__ import annotations

from collections.abc import Iterable

from results.store.processor import has_bfloat16
from sweeps.expand import Sweep
from trainables.trial import Trial


def slow_in_bfloat16(sweep: Sweep, trials: Iterable[Trial]) -> int:
    """The number of trials in bfloat16 on this CPU if it lacks instructions for it; else 0."""
    on_cpu = [t for t in trials if t.training.precision == "bfloat16" and not sweep.gpus[t.key]]
    return len(on_cpu) if on_cpu and has_bfloat16() is False else 0
