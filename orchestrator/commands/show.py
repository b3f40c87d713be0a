"""`calibsweep show`."""

from __future__ import annotations

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import json_option, store_option
from orchestrator.screen.terminal import console


@click.command(cls=Command, example="calibsweep show digits mlp flsd_53 --store ./store")
@click.argument("dataset", metavar="DATASET", help="Label of a data set. Without parameters it matches any.")
@click.argument("model", required=False, metavar="[MODEL]", help="Label of a model, as above. [default: all]")
@click.argument("loss", required=False, metavar="[LOSS]", help="Label of a loss, as above. [default: all]")
@click.option("--seed", type=int, metavar="SEED", help="Only the trials with this seed.")
@store_option
@json_option
def show(dataset: str, model: str | None, loss: str | None, seed: int | None, store: str, json: bool) -> None:
    """Show the trials behind a cell of a table, with their complete records."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.shown import print_shown
    from orchestrator.use_cases.show import show

    shown = show(store, dataset, model, loss, seed)
    if json:
        click.echo(as_json(shown), nl=False)
    else:
        print_shown(shown, console())
