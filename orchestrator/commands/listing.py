"""`calibsweep list`."""

from __future__ import annotations

import click

from orchestrator.commands.base import Choice, Command
from orchestrator.commands.options import json_option
from orchestrator.screen.terminal import console

KINDS = {
    "losses": "what a network can be trained on, with parameters",
    "models": "networks, with parameters",
    "datasets": "data sets to train on, or to be scored on",
    "samplers": "which samples each epoch trains on, in which order",
    "protocols": "how a paper trains and splits, which a sweep names",
    "metrics": "scores that tables are made of, for --metric",
    "calibrators": "maps from logits to probabilities that are fitted to validation data",
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
@json_option
def list_(kind: str | None, json: bool) -> None:
    """Lists what there is of a kind; without one, the kinds."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.listing import print_kinds, print_listing
    from orchestrator.use_cases.listing import listing

    if json:
        click.echo(as_json(KINDS if kind is None else listing(kind)), nl=False)
    elif kind is None:
        print_kinds(KINDS, console())
    else:
        print_listing(kind, listing(kind), console())
