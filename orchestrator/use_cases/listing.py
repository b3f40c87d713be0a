"""`calibsweep list` and `calibsweep check-loss`."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from results.scoring.scores import SCORES, SEPARATION
from sweeps.settings import settings
from sweeps.spec import bundled, selected
from trainables.catalogue import DATASETS, LOSSES, MODELS, PROTOCOLS
from trainables.registry import Registry

REGISTRIES: dict[str, Registry] = {
    "losses": LOSSES,
    "models": MODELS,
    "datasets": DATASETS,
    "protocols": PROTOCOLS,
}


def show_kinds(kinds: Mapping[str, str], console: Console) -> None:
    """Prints what can be listed."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("kind", overflow="fold")
    table.add_column("what it is", overflow="fold")
    for kind, text in kinds.items():
        table.add_row(kind, text)
    console.print(table)


def show(kind: str, console: Console) -> None:
    """Prints names with their parameters and what they are, read off the files without importing them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", overflow="fold")
    if kind == "sweeps":
        table.add_column("what it runs", overflow="fold")
        for name, (_, description) in sorted(bundled().items()):
            table.add_row(name, description)
    elif kind == "settings":
        table.add_column("default", overflow="fold")
        table.add_column("what it is", overflow="fold")
        for setting in settings():
            table.add_row(setting.path, setting.default, setting.text)
    elif kind == "metrics":
        table.add_column("in print", overflow="fold")
        table.add_column("what it is", overflow="fold")
        for score in (*SCORES.values(), *SEPARATION.values()):
            better = f", {score.better} is better" if score.better else ""
            table.add_row(score.name, score.title, f"{score.meaning}, in {score.printed_unit}{better}.")
    elif kind == "protocols":
        table.add_column("what it is", overflow="fold")
        for name in REGISTRIES[kind].names():
            table.add_row(name, REGISTRIES[kind][name].summary)
    else:
        registry = REGISTRIES[kind]
        table.add_column("parameters", overflow="fold")
        table.add_column("what it is", overflow="fold")
        for name in registry.names():
            entry = registry[name]
            values = registry[name].usual
            shown = ", ".join(
                f"{parameter}={values[parameter]}" if parameter in values else f"{parameter}=?"
                for parameter in entry.parameters
            )
            table.add_row(name, shown, entry.summary)
    console.print(table)
    if kind == "settings":
        told = "Of training these are the defaults where a protocol says nothing for a data set and model"
        console.print(f"\n{told} (docs/protocol.md). A sweep file's own settings win, and --set over all.")


def check_loss(text: str, console: Console) -> int:
    """Runs the conformance kit on a loss. Returns the exit code: 0, or 1 if it falls short."""
    from trainables.losses.conformance import check

    name, params = selected(LOSSES, text, "check-loss")
    findings = check(name, **params)
    for finding in findings:
        console.print(str(finding), style="bad", highlight=False, soft_wrap=True)
    if not findings:
        console.print(f"{name} keeps every promise of a loss.", style="good")
    return 1 if findings else 0
