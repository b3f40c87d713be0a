"""`calibsweep list`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Choice, Command
from orchestrator.commands.options import json_option
from orchestrator.screen.terminal import console

KINDS = {
    "losses": "training losses, with parameters",
    "models": "networks, with parameters",
    "datasets": "data sets for training or evaluation",
    "samplers": "samples and order of an epoch",
    "protocols": "training settings and splits of a paper",
    "metrics": "scores in tables, for --metric",
    "calibrators": "maps from logits to probabilities, fitted on validation data",
    "settings": "settings for --set, with defaults",
    "sweeps": "bundled benchmarks, ready to run",
    "tables": "tables of the two papers, for --table",
}
"""The kinds to list."""


@click.command("list", cls=Command, example="calibsweep list losses")
@click.argument(
    "kind",
    type=Choice(KINDS),
    required=False,
    metavar="[KIND]",
    help="; ".join(f"{kind}: {text}" for kind, text in KINDS.items()) + ".",
)
@json_option
def list_(kind: str | None, json: bool) -> None:
    """List the components of a kind; without a kind, list the kinds."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.listing import print_kinds, print_listing
    from orchestrator.use_cases.listing import listing

    if json:
        click.echo(as_json(KINDS if kind is None else listing(kind)), nl=False)
    elif kind is None:
        print_kinds(KINDS, console())
    else:
        print_listing(kind, listing(kind), console())
