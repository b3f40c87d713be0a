"""Possible findings in a store, and their consequences for the next `run`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        title: Its heading.
        follows: Its consequence for the next `run`.
        wrong: Whether something is damaged or false; otherwise it is harmless.
    """

    title: str
    follows: str
    wrong: bool = True


DAMAGED = Kind(
    "damaged results", "The next run of their sweep moves them to damaged/ and recomputes the trial."
)
DIFFERING = Kind(
    "scores that do not match the stored logits",
    "The next run of their sweep moves such rows to damaged/ and writes them again with the scores of the "
    "logits. Nothing is trained again.",
)
UNREADABLE = Kind(
    "files that cannot be read",
    "The next run stops at the first of them that it needs. Make them readable, or move them out of the "
    "store: then the next run recomputes their contents.",
)
NEWER = Kind(
    "rows written by a newer calibsweep",
    "They are neither read nor moved. Update calibsweep to read their trials.",
)
UNKNOWN_TASK = Kind(
    "rows of an unknown task",
    "They are not moved. Load the file of the task with --plugin to check their scores.",
    wrong=False,
)
DAMAGED_FAILURE = Kind(
    "damaged records of failures",
    "The next run of their sweep moves them to damaged/, and retries trials without another record.",
)
DAMAGED_CHECKPOINT = Kind(
    "damaged checkpoints",
    "The next run of their sweep moves them to damaged/. Their trials resume from the checkpoint before, or "
    "start from scratch.",
)
DAMAGED_COPY = Kind(
    "damaged compacted copies",
    "They are ignored: the rows themselves are read. The next run moves them to damaged/; store compact "
    "writes new ones.",
)
DAMAGED_PILOT = Kind(
    "damaged pilots",
    "They are ignored. The next run moves them to damaged/; plan --pilot measures again.",
)
DAMAGED_PRUNED = Kind(
    "damaged curves of trials that stopped early",
    "They are ignored. The next search that needs them trains their trials again.",
)
DAMAGED_RUNNING = Kind(
    "damaged lists of running trials", "They are ignored. The next run moves them to damaged/."
)
WITHOUT_ROW = Kind(
    "data without a row",
    "A trial died before its commit, or is committing now. The next run of its sweep recomputes it.",
    wrong=False,
)
NOT_FIRST = Kind(
    "data of superseded commits",
    "Another row was committed first, or replaced a damaged one. Nothing reads these files.",
    wrong=False,
)
LEFT_OVER = Kind("checkpoints of finished trials", "The next run of their sweep deletes them.", wrong=False)
STALE_RUNNING = Kind(
    "lists of running trials from dead drivers",
    "They are ignored. The next run with trials to run deletes them.",
    wrong=False,
)
STALE_COPY = Kind(
    "compacted copies by another version", "They are ignored; store compact replaces them.", wrong=False
)
HALF_WRITTEN = Kind(
    "half-written files", "The next run with trials to run deletes those older than a day.", wrong=False
)
SET_ASIDE = Kind("files set aside earlier", "Nothing reads them; you may delete them.", wrong=False)
FOREIGN = Kind("files that do not belong to a store", "They are ignored.", wrong=False)


@dataclass(frozen=True)
class Finding:
    kind: Kind
    path: str
    detail: str = ""
