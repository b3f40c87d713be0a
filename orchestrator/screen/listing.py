"""Prints the names of one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.use_cases.listing import BundledSweep, Component, PublishedTable
from results.scoring.scores import Metric
from sweeps.settings import Setting

COMPONENTS = ("name", "parameters", "description")

HEADINGS = {
    "protocols": ("name", "description"),
    "metrics": ("name", "title", "description"),
    "settings": ("name", "default", "description"),
    "sweeps": ("name", "trials"),
    "tables": ("name", "description"),
}


def print_kinds(kinds: Mapping[str, str], console: Console) -> None:
    _print(["kind", "description"], list(kinds.items()), console)


def print_listing(
    kind: str,
    listed: Sequence[Component | Metric | Setting | BundledSweep | PublishedTable],
    console: Console,
) -> None:
    """Prints a line per name."""
    heading, rows = HEADINGS.get(kind, COMPONENTS), [_row(each) for each in listed]
    if kind == "protocols":
        # Omit the parameters: they are many, and set by a paper.
        rows = [(name, summary) for name, _, summary in rows]
    _print(heading, rows, console)
    if kind == "datasets":
        console.print(
            "\nEach data set with one class per sample also takes imbalance, factor and validation_form "
            "(docs/imbalance.md)."
        )
    if kind == "settings":
        note = "These training defaults apply where a protocol sets nothing for a data set and model"
        console.print(f"\n{note} (docs/protocol.md). A sweep file overrides both, and --set overrides all.")


def _row(each: Component | Metric | Setting | BundledSweep | PublishedTable) -> tuple[str, ...]:
    match each:
        case BundledSweep() | PublishedTable():
            return each.name, each.summary
        case Setting():
            return each.path, each.default, each.text
        case Metric():
            unit = f", in {each.printed_unit}" if each.printed_unit else ""
            better = f", {each.direction} is better" if each.direction else ""
            return each.name, each.title, f"{each.meaning}{unit}{better}."
        case Component():
            values = {**dict.fromkeys(each.required, "?"), **each.parameters}
            shown = ", ".join(f"{name}={value}" for name, value in values.items())
            return each.name, shown, each.summary


def _print(heading: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in heading:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
