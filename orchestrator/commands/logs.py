"""`calibsweep logs`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.target import EXAMPLE, target_options, way_out
from orchestrator.screen.terminal import console


@click.command(cls=Command, example=EXAMPLE.format("logs"))
@target_options
@click.option("--follow/--no-follow", default=True, show_default=True, help="Follow until the driver ends.")
def logs(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    follow: bool,
) -> None:
    """Print the output of a launched sweep's driver."""
    from orchestrator.use_cases import launch as use_case

    shown = console()
    with way_out(click.get_current_context().params):
        for piece in use_case.logs(use_case.Target(sweep, store, overrides, cluster, address), follow):
            shown.print(piece, end="", highlight=False, soft_wrap=True)
