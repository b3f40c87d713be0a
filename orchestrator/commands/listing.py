"""`calibsweep list` and `calibsweep check-loss`."""

from __future__ import annotations

import click

from orchestrator.commands import completion
from orchestrator.commands.base import Choice, Command
from orchestrator.screen.terminal import console

KINDS = {
    "losses": "what a network can be trained on, with parameters",
    "models": "networks, with parameters",
    "datasets": "data sets to train on, or to be scored on",
    "protocols": "how a paper trains and splits, which a sweep names",
    "metrics": "scores that tables are made of, for --metric",
    "settings": "what --set takes, with defaults",
    "sweeps": "benchmarks that come along, ready to run",
}
"""What can be listed."""


@click.command("list", cls=Command, example="calibsweep list losses")
@click.argument(
    "kind",
    type=Choice(KINDS),
    required=False,
    metavar="[KIND]",
    help="; ".join(f"{kind}: {text}" for kind, text in KINDS.items()) + ".",
)
def list_(kind: str | None) -> None:
    """Lists what there is of a kind; without one, the kinds."""
    from orchestrator.use_cases import listing as command

    if kind is None:
        command.show_kinds(KINDS, console())
    else:
        command.show(kind, console())


@click.command("check-loss", cls=Command, example="calibsweep check-loss focal_1")
@click.argument(
    "loss",
    metavar="NAME",
    shell_complete=completion.losses,
    help="A loss, as a sweep file would name it (`calibsweep list losses`).",
)
def check_loss(loss: str) -> int:
    """Tries a loss against all that training asks of one. Exit code 1 if it falls short."""
    from orchestrator.use_cases import listing as command

    return command.check_loss(loss, console())
