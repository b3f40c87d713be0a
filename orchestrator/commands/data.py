"""`calibsweep data`: what makes data sets ready."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands import completion
from orchestrator.commands.base import Command, Group
from orchestrator.commands.options import data_option
from orchestrator.screen.terminal import console

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
    from orchestrator.use_cases import data as command

    command.prepare(name, data, console())


data.add("Commands", [prepare])
