"""Prints the trials behind a cell of a table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.use_cases.show import Shown, ShownTrial
from results.scoring.scores import known_metrics
from results.wording import counted

SCORES = ("error", "ece", "nll")
"""Metrics of the first columns."""

SHORT = 12
"""Letters of a digest or commit."""


def print_shown(shown: Shown, console: Console) -> None:
    """Prints a line per trial, then the facts that the trials of its cell share, and those that differ."""
    cells = itertools.groupby(shown.trials, key=lambda trial: (trial.dataset, trial.model, trial.loss))
    for place, group in cells:
        trials = list(group)
        console.print(" / ".join(place), style="bold", highlight=False, soft_wrap=True)
        console.print(_table(trials))
        facts = [_facts(trial) for trial in trials]
        width = max(len(name) for own in facts for name in own)
        console.print(f"\nShared by {counted(len(trials), 'trial')}:" if len(trials) > 1 else "\nRecorded:")
        for name, value in facts[0].items():
            if all(other.get(name) == value for other in facts):
                _print_fact(name.ljust(width), value, console)
        for trial, own in zip(trials, facts, strict=True):
            differing = {
                name: value for name, value in own.items() if any(other.get(name) != value for other in facts)
            }
            if differing:
                console.print(f"\nSeed {trial.seed}, trial {trial.key}:", highlight=False)
            for name, value in differing.items():
                _print_fact(name.ljust(width), value, console)
            for path in trial.files:
                _print_fact("file".ljust(width), path, console)
        console.print()


def _table(trials: Sequence[ShownTrial]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    metrics = [known_metrics()[name] for name in SCORES]
    criteria = list(dict.fromkeys(name for trial in trials for name in trial.temperatures))
    headings = [metric.title for metric in metrics] + [
        f"T by {known_metrics()[name].title}" for name in criteria
    ]
    for heading in ("seed", "trial", *headings, "commit"):
        table.add_column(heading, justify="left" if heading in ("trial", "commit") else "right")
    for trial in trials:
        scores = [
            "" if (value := trial.scores.get(f"test_{metric.name}")) is None else metric.printed(value)
            for metric in metrics
        ]
        temperatures = [
            "" if (value := trial.temperatures.get(name)) is None else f"{value:g}" for name in criteria
        ]
        commit = str(trial.recorded.get("source_commit", ""))[:SHORT]
        table.add_row(str(trial.seed), trial.key, *scores, *temperatures, commit)
    return table


def _facts(trial: ShownTrial) -> dict[str, str]:
    """What is recorded of a trial beside its scores, flat: 'training.epochs'."""
    identity = {name: value for name, value in trial.identity.items() if name != "seed"}
    return dict(_flat({**identity, **trial.recorded}))


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{above}{name}.")
        else:
            lines.append((f"{above}{name}", f"{value:g}" if isinstance(value, float) else str(value)))
    return lines


def _print_fact(name: str, value: str, console: Console) -> None:
    console.print(f"  {name}  {value}", style="quiet", highlight=False, soft_wrap=True)
