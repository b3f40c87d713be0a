"""`calibsweep logs`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import json_option
from orchestrator.commands.target import EXAMPLE, target_options, way_out
from orchestrator.screen.terminal import console


@click.command(cls=Command, example=EXAMPLE.format("logs"))
@target_options
@click.option("--follow/--no-follow", default=True, show_default=True, help="Follow until the driver ends.")
@json_option
def logs(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    follow: bool,
    json: bool,
) -> None:
    """Print the output of a launched sweep's driver.

    With --json it is printed whole, at the driver's end, or at once with --no-follow.
    """
    from orchestrator.screen.as_json import as_json
    from orchestrator.use_cases import launch as use_case

    shown = console()

    def show(piece: str) -> None:
        shown.print(piece, end="", highlight=False, soft_wrap=True)

    with way_out(click.get_current_context().params):
        target = use_case.Target(sweep, store, overrides, cluster, address)
        found = use_case.logs(target, follow, None if json else show)
    if json:
        click.echo(as_json(found), nl=False)
