"""Every file of a store held against what was committed, and every score again from the stored logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from results.store.errors import StoreError
from results.store.finding import Finding
from results.store.inspection import Inspection, inspection
from results.store.mending import keep
from results.store.store import Store


@dataclass(frozen=True)
class Verified:
    """Attributes:
    store: Its address.
    trials: Finished trials that were scored anew.
    other_sets: Likewise, their scores on sets out of distribution.
    findings: With full names of files; those of one kind together, and the wrong ones first.
    wrong: How many findings are of something damaged or false.
    not_kept: Why the store could not keep what is wrong for the next run; '' if it did.
    """

    store: str
    trials: int
    other_sets: int
    findings: tuple[Finding, ...]
    wrong: int
    not_kept: str = ""


def verify(store: str, *, progress: Callable[[int, int], object] = lambda done, total: None) -> Verified:
    """Looks at every file, and keeps in the store what is wrong, for the next run to mend.

    Args:
        progress: Called after each step with the number done and the total.

    Raises:
        StoreError: A store that cannot be read, or in which there is nothing.
    """
    opened = Store(store)
    opened.check_place()
    made = inspection(opened)
    if not made.steps and not made.findings:
        raise StoreError(
            f"there is nothing in the store {store}: run a sweep first, or choose another --store."
        )
    for done, step in enumerate(made.steps, 1):
        step()
        progress(done, len(made.steps))
    findings = tuple(
        replace(finding, path=opened.folder.name(finding.path))
        for alike in made.by_kind().values()
        for finding in alike
    )
    return Verified(store, made.trials, made.scored, findings, made.wrong, _kept(made))


def _kept(made: Inspection) -> str:
    try:
        keep(made)
    except StoreError as error:
        return str(error) if made.wrong else ""
    return ""
