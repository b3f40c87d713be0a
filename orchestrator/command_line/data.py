"""`calibsweep data`: what makes data sets ready."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line import completion
from orchestrator.command_line.base import Command, Group
from orchestrator.command_line.options import data_option
from orchestrator.terminal import console

data = Group("data", help="Makes data sets ready.")


@click.command(cls=Command, example="calibsweep data prepare cifar10 --data ./data")
@click.argument(
    "name",
    metavar="DATASET",
    shell_complete=completion.datasets,
    help="A data set (`calibsweep list datasets`).",
)
@data_option
def prepare(name: str, data: Path | None) -> None:
    """Downloads, verifies and unpacks a data set once, before a cluster needs it. Run again, it goes on."""
    from orchestrator.commands import data as command

    command.prepare(name, data, console())


data.add("Commands", [prepare])
