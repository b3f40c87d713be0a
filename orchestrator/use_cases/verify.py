"""`calibsweep store verify`: every file of a store, and every score again, from the stored logits."""

from __future__ import annotations

from rich.console import Console
from rich.progress import track

from orchestrator.screen.terminal import can_redraw
from results.store.errors import StoreError
from results.store.inspection import Inspection, inspection
from results.store.mending import keep
from results.store.store import Store
from results.wording import counted


def verify(uri: str, console: Console) -> int:
    """Looks at every file, says what it found, and keeps in the store what is wrong, for the next run.

    Returns the exit code: 0, or 1 if anything is wrong.

    Raises:
        StoreError: A store that cannot be read, or in which there is nothing.
    """
    store = Store(uri)
    store.check_place()
    made = inspection(store)
    if not made.steps and not made.findings:
        raise StoreError(
            f"there is nothing in the store {uri}: run a sweep first, or choose another --store."
        )
    for step in track(
        made.steps, "verifying", console=console, transient=True, disable=not can_redraw(console.file)
    ):
        step()
    for kind, findings in made.by_kind().items():
        style = "bad" if kind.wrong else "warning"
        harmless = "" if kind.wrong else " (nothing is wrong)"
        console.print(f"{len(findings)} {kind.title}{harmless}:", style=style, highlight=False)
        for finding in findings:
            detail = f": {finding.detail}" if finding.detail else ""
            line = f"  {store.folder.name(finding.path)}{detail}"
            console.print(line, style=style, highlight=False, soft_wrap=True)
        console.print(f"  {kind.follows}", style="quiet", highlight=False, soft_wrap=True)
    _keep(made, console)
    also = f", and on {counted(made.scored, 'set')} out of distribution" if made.scored else ""
    console.print(
        f"{counted(made.trials, 'trial')} scored anew from their logits{also}, "
        f"{made.wrong} differ or are damaged.",
        highlight=False,
    )
    return 1 if made.wrong else 0


def _keep(made: Inspection, console: Console) -> None:
    try:
        keep(made)
    except StoreError as error:
        if made.wrong:
            told = f"What is wrong cannot be kept for the next run, which may not see all of it: {error}"
            console.print(told, style="warning", highlight=False, soft_wrap=True)
