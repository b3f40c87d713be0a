"""Prints the contents of a store."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.use_cases.contents import Cell, Contents
from results.wording import counted, size


def print_contents(contents: Contents, console: Console) -> None:
    """Prints a line per loss and training, by data set and model, then the versions that made them."""
    for (dataset, model), cells in itertools.groupby(contents.cells, lambda cell: (cell.dataset, cell.model)):
        console.print(f"{dataset} / {model}", style="bold", soft_wrap=True)
        console.print(_table(list(cells)))
        console.print()
    counts = f"{counted(contents.done, 'trial')} done, {contents.failed} failed"
    console.print(f"{counts}; {size(contents.size)} in {contents.store}", soft_wrap=True)
    for program, versions in contents.versions.items():
        console.print(f"{program} {_counts(versions)}", style="quiet", soft_wrap=True)
    if contents.commits:
        commits: Counter[str] = Counter()
        for commit, number in contents.commits.items():
            commits[commit[:12]] += number
        console.print(f"commit {_counts(commits)}", style="quiet", soft_wrap=True)
    for name in contents.damaged:
        console.print(f"damaged and skipped: {name}", style="warning", soft_wrap=True)


def _table(cells: Sequence[Cell]) -> Table:
    varied = any(cell.training for cell in cells)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ["loss", *(["trained with"] if varied else []), "seeds done", "failed", "size"]:
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for cell in cells:
        training = ", ".join(f"{name}={json.dumps(value)}" for name, value in cell.training.items())
        middle = [training] if varied else []
        table.add_row(cell.loss, *middle, _seeds(cell.done), _seeds(cell.failed), size(cell.size))
    return table


def _seeds(seeds: Sequence[int]) -> str:
    """The number of seeds and their ranges: '5: 0-3, 7'."""
    runs = []
    for _, group in itertools.groupby(enumerate(seeds), key=lambda each: each[1] - each[0]):
        numbers = [seed for _, seed in group]
        runs.append(str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}")
    return f"{len(seeds)}: {', '.join(runs)}" if seeds else "-"


def _counts(numbers: Mapping[str, int]) -> str:
    """A single version alone, '2.13.0'; several each with their number of trials."""
    if len(numbers) == 1:
        return next(iter(numbers))
    each: Iterable[str] = (f"{value} ({counted(number, 'trial')})" for value, number in numbers.items())
    return ", ".join(each)
