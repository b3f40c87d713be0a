"""`calibsweep new`."""

from __future__ import annotations

from typing import Literal, cast

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import json_option
from orchestrator.screen.terminal import console


@click.command(cls=Command, example="calibsweep new loss my_loss", components=False)
@click.argument("kind", type=click.Choice(["loss", "dataset", "sweep"]), help="The kind of file.")
@click.argument("name", help="Its name, which sweep files and commands use.")
@json_option
def new(kind: str, name: str, json: bool) -> None:
    """Write a file to start from, which runs as it stands, into the current folder."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases.new import new

    written = new(cast(Literal["loss", "dataset", "sweep"], kind), name)
    if json:
        click.echo(as_json(written), nl=False)
        return
    screen = console()
    screen.print(f"{written.path} is written. Next:", highlight=False, soft_wrap=True, markup=False)
    screen.print(f"  {written.next}", highlight=False, soft_wrap=True, markup=False)
