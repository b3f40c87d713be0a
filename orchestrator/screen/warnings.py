"""Warnings about a sweep, which `plan` and `run` both print: one line each."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.commands import copied
from orchestrator.use_cases.changed_code import ChangedCode
from results.wording import counted

MANY_ROWS = 1000
"""To be read one by one: from here on that takes seconds."""


def slow_bfloat16(trials: int) -> Iterator[str]:
    """A line if there are such trials."""
    if trials:
        yield (
            f"{counted(trials, 'trial')} in bfloat16 on a CPU, and this machine's has no instructions for "
            "it: some ten times slower than float32. Set training.precision=float32, or run.gpus_per_trial."
        )


def loose_rows(store: str, rows: int) -> Iterator[str]:
    """A line if so many rows were read one by one that it took seconds."""
    if rows >= MANY_ROWS:
        command = copied.typed("store compact", {"store": store})
        yield f"{rows:,} rows were read one by one; faster after: {command}"


def changed_code(change: ChangedCode) -> str:
    if change.kind == "training":
        by = "other training code than today's"
        advice = "to have all made by one code, run them into another --store"
    else:
        kind = "data set" if change.kind == "dataset" else change.kind
        by = f"another {change.file}, or what it imports, than today's"
        advice = f"raise the version of {kind} {change.name!r}"
    trials = "trials were" if change.trials > 1 else "trial was"
    told = f"{change.trials} finished {trials} made by {by}"
    if change.certain:
        return f"{told}, which computes other numbers: {advice}."
    return f"{told}: if its numbers changed, {advice}."
