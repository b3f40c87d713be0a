"""`calibsweep stop`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.command_line.base import Command
from orchestrator.commands.options import json_option
from orchestrator.commands.target import EXAMPLE, target_options, way_out
from orchestrator.screen.terminal import busy, console


@click.command(cls=Command, example=EXAMPLE.format("stop"))
@target_options
@json_option
def stop(
    sweep: str,
    store: str,
    cluster: Path | None,
    address: str | None,
    overrides: tuple[str, ...],
    json: bool,
) -> None:
    """Stop a launched sweep, with a checkpoint of every running trial. `launch` resumes it."""
    from orchestrator.screen.as_json import as_json
    from orchestrator.screen.launched import print_stopped
    from orchestrator.use_cases import launch as use_case

    shown, given = console(stderr=json), click.get_current_context().params
    target = use_case.Target(sweep, store, overrides, cluster, address)
    doing = f"stopping {sweep}: each running trial saves a checkpoint"
    with way_out(given), busy(shown, doing):
        stopped = use_case.stop(target)
    if json:
        click.echo(as_json(stopped), nl=False)
    else:
        print_stopped(stopped, target, given, shown)
