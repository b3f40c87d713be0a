"""Warnings about a sweep for `plan` and `run`, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.command_line import copied
from results.store.store import COPIED_FROM
from results.wording import counted

if TYPE_CHECKING:
    from orchestrator.use_cases.changed_code import ChangedCode


def slow_bfloat16(trials: int) -> Iterator[str]:
    """Yields a line if there are such trials."""
    if trials:
        yield (
            f"{counted(trials, 'trial')} would use bfloat16 on a CPU without instructions for it, about ten "
            "times slower than float32: set training.precision=float32 or run.gpus_per_trial."
        )


def loose_rows(store: str, rows: int) -> Iterator[str]:
    """Yields a line if reading rows one by one took seconds."""
    if rows >= COPIED_FROM:
        command = copied.typed("store compact", {"store": store})
        yield f"{rows:,} rows were read one by one. To speed this up: {command}"


def changed_code(changes: Sequence[ChangedCode]) -> Iterator[str]:
    """A line for each component that computes other numbers, and one for all that may."""
    for change in changes:
        if change.certain:
            trials = counted(change.trials, "finished trial")
            code = (
                f"{_component(change)} ({change.file} or its imports)" if change.file else _component(change)
            )
            yield f"{trials}: {code} has changed since, and computes different numbers. {_advice(change)}"
    unsure = [change for change in changes if not change.certain]
    if unsure:
        trials = counted(max(change.trials for change in unsure), "finished trial")
        yield (
            f"{trials}: code has changed since, and too little is recorded to compare its numbers: "
            f"{', '.join(map(_component, unsure))}. If they differ, raise the version of the component."
        )


def _component(change: ChangedCode) -> str:
    if change.kind == "training":
        return "the training code"
    kind = "data set" if change.kind == "dataset" else change.kind
    return f"{kind} {change.name}"


def _advice(change: ChangedCode) -> str:
    if change.kind == "training":
        return "Run all trials into another --store to train them with the same code."
    return "Raise its version to train them again."
