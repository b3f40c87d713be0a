"""Prints the beginning of a search, and its best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.command_line import copied
from orchestrator.screen import run
from orchestrator.screen.grid import Grid
from orchestrator.use_cases.search import Found, Observer, Opening, Searched
from orchestrator.use_cases.status import SearchState
from results.searched import score_text
from results.wording import counted


class Shown(run.Shown, Observer):
    """Shows a search on a console."""

    def begun(self, opening: Opening) -> None:
        self.console.print(
            f"{opening.search}: {counted(opening.trials, 'trial')}, {opening.known} known before. "
            f"Store: {opening.store}",
            highlight=False,
        )


def print_state(state: SearchState, console: Console) -> None:
    """Prints how far a search is."""
    line = f"{state.search}: {counted(state.trials, 'trial')}, {state.known} known, {state.running} running."
    console.print(line, highlight=False)


def print_searched(searched: Searched, given: Mapping[str, Any], console: Console) -> None:
    """Prints the best, and the next commands.

    Args:
        given: Values of the parameters of `search`, and of the `launch` that submitted it, by name.
    """
    launched = "cluster" in given
    if searched.best:
        several = len(searched.best[0].scores) > 1
        title = "Best by each trade-off of the scores" if several else "Best"
        console.print(f"\n{title}, by the validation part:", style="bold")
        console.print(Grid(_heading(searched.best), [_cells(each, searched.best) for each in searched.best]))
    if searched.stopped:
        console.print(f"{counted(searched.stopped, 'trial')} stopped early.", style="quiet")
    if searched.failed:
        console.print(f"{counted(searched.failed, 'trial')} failed.", style="warning")
    if searched.left:
        line = f"Interrupted with {counted(searched.left, 'trial')} left. To resume:"
        console.print(line, style="warning")
        copied.show(console, copied.typed("launch" if launched else "search", given))
    if searched.report:
        run.print_report(searched.report, console)
    if searched.sweep and launched:
        # This file is in the job's folder, which Ray deletes.
        console.print("\nNext, on your machine:", style="bold")
        line = copied.typed("search", given, file=given["sweep"], address=None, data=None)
        copied.show(console, line, f"trains nothing more, and writes {searched.sweep.name}")
    elif searched.sweep:
        console.print("\nNext:", style="bold")
        line = copied.typed("run", given, sweep=searched.sweep)
        copied.show(console, line, "the best beside its baselines, with several seeds, on the test set")
        for calibrator in dict.fromkeys(each.calibrator for each in searched.best if each.calibrator):
            of_best = {"sweep": searched.sweep, "calibrator": calibrator}
            line = copied.typed("store rescore", given, **of_best | {"calibrator": [calibrator]})
            copied.show(console, line, f"then, the scores after {calibrator}")
            copied.show(console, copied.typed("tables", given, **of_best), "and their tables")


def _names(best: tuple[Found, ...]) -> list[str]:
    return list(dict.fromkeys(name for each in best for name in each.values))


def _heading(best: tuple[Found, ...]) -> list[str]:
    return ["Loss", *_names(best), *_calibrator(best[0], "Calibrator"), *best[0].scores, "Trial"]


def _calibrator(found: Found, text: str) -> list[str]:
    """The text alone if the search has calibrators, else nothing."""
    return [text] if found.calibrator else []


def _cells(found: Found, best: tuple[Found, ...]) -> list[Text]:
    values = [str(found.values.get(name, "-")) for name in _names(best)]
    scores = [score_text(name, value) for name, value in found.scores.items()]
    cells = (found.loss, *values, *_calibrator(found, found.calibrator), *scores, str(found.number))
    return [Text(text) for text in cells]
