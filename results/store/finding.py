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
    "damaged results", "The next run of their sweep sets them aside in damaged/ and makes the trial again."
)
DIFFERING = Kind(
    "scores that do not follow from the stored logits",
    "The next run of their sweep sets such rows aside in damaged/ and writes them again, with the scores "
    "that follow from the logits. It trains nothing for that.",
)
UNREADABLE = Kind(
    "files that cannot be read",
    "The next run ends at the first of them that it needs. Make them readable, or move them out of the "
    "store: then the next run makes their contents again.",
)
NEWER = Kind(
    "rows written by a newer calibsweep",
    "Nothing reads or moves them. Update calibsweep: until then no command reads their trials.",
)
UNKNOWN_TASK = Kind(
    "rows of a task that is unknown here",
    "Nothing moves them. Give the file of the task as --plugin to check their scores.",
    wrong=False,
)
DAMAGED_FAILURE = Kind(
    "damaged records of failures",
    "The next run of their sweep sets them aside in damaged/. A trial without another record is tried again.",
)
DAMAGED_CHECKPOINT = Kind(
    "damaged checkpoints",
    "The next run of their sweep sets them aside in damaged/: a trial resumes from the checkpoint before, or "
    "starts from scratch.",
)
DAMAGED_COPY = Kind(
    "damaged copies of rows",
    "They are ignored, the rows themselves are read. The next run sets them aside in damaged/; store compact "
    "makes a new one.",
)
DAMAGED_PILOT = Kind(
    "damaged pilots",
    "They are ignored, and set aside in damaged/ by the next run; plan --pilot measures again.",
)
DAMAGED_WORD = Kind(
    "damaged lists of running trials", "They are ignored, and set aside in damaged/ by the next run."
)
WITHOUT_ROW = Kind(
    "data without a row",
    "A trial died before its commit, or is being committed now. The next run of its sweep makes it again.",
    wrong=False,
)
NOT_FIRST = Kind(
    "data of commits that did not stand",
    "Another row was committed first, or replaced one that was set aside. Nothing reads them.",
    wrong=False,
)
LEFT_OVER = Kind("checkpoints of finished trials", "The next run of their sweep deletes them.", wrong=False)
STALE_WORD = Kind(
    "lists of drivers that died",
    "They are ignored. The next run that has something to do deletes them.",
    wrong=False,
)
STALE_COPY = Kind(
    "copies of rows by another version", "They are ignored; store compact replaces them.", wrong=False
)
HALF_WRITTEN = Kind(
    "half-written files", "The next run that has something to do deletes those older than a day.", wrong=False
)
SET_ASIDE = Kind("files set aside before", "Nothing reads them; they may be deleted.", wrong=False)
FOREIGN = Kind("files that do not belong to a store", "They are ignored.", wrong=False)


@dataclass(frozen=True)
class Finding:
    kind: Kind
    path: str
    detail: str = ""
