"""Checks every file of a store against the committed bytes, and recomputes every score from the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from results.store.errors import StoreError
from results.store.finding import NEWER, Finding
from results.store.inspection import Inspection, inspection
from results.store.mending import keep
from results.store.store import Store


@dataclass(frozen=True)
class Verified:
    """Attributes:
    store: Its address.
    trials: Number of finished trials rescored.
    further_evaluations: Number of their evaluations on other data than the test set rescored.
    findings: With full file names, grouped by kind, errors first.
    wrong: Number of findings that are errors: damage or wrong scores.
    newer: Number of rows written by a newer calibsweep, which were not inspected.
    not_recorded: Why the store could not keep the findings for the next run; '' if it did.
    """

    store: str
    trials: int
    further_evaluations: int
    findings: tuple[Finding, ...]
    wrong: int
    newer: int
    not_recorded: str = ""


def verify(store: str, *, progress: Callable[[int, int], object] = lambda done, total: None) -> Verified:
    """Inspects every file, and keeps the errors in the store, for the next run to mend.

    Args:
        progress: Called after each step with the number done and the total.

    Raises:
        StoreError: The store cannot be read, or is empty.
    """
    opened = Store(store)
    opened.check_place()
    made = inspection(opened)
    if not made.steps and not made.findings:
        raise StoreError(f"the store {store} is empty: run a sweep first, or choose another --store.")
    for done, step in enumerate(made.steps, 1):
        step()
        progress(done, len(made.steps))
    by_kind = made.by_kind()
    findings = tuple(
        replace(finding, path=opened.folder.name(finding.path))
        for alike in by_kind.values()
        for finding in alike
    )
    newer = len(by_kind.get(NEWER, ()))
    return Verified(store, made.trials, made.others, findings, made.wrong - newer, newer, _kept(made))


def _kept(made: Inspection) -> str:
    try:
        keep(made)
    except StoreError as error:
        return str(error) if made.wrong else ""
    return ""
